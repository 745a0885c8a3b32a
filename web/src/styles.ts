/** The theme, and the styles of each view that has its own. */

import theme from "./theme.css?inline";
import matrix from "./views/matrix.css?inline";
import model from "./views/model.css?inline";
import neuron from "./views/neuron.css?inline";
import text from "./views/text.css?inline";

export const styles = [theme, matrix, text, neuron, model].join("\n");
