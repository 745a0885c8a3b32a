//! Feed-forward layers of many experts, of which each token has a few (arXiv 1701.06538).

use headscope_trace::{Point, Tensor};

use super::{Linear, add_to};
use crate::kernels;
use crate::probe::Pass;

/// MLPs with a gate, of which a router chooses some for each token, and how much each counts.
pub struct Experts {
    /// A score for each expert.
    pub router: Linear,
    /// How many experts a token has.
    pub n_chosen: usize,
    /// Gate and up of each expert, in turns.
    pub gate_up: Vec<Linear>,
    /// The way back to the width of the model of each expert.
    pub down: Vec<Linear>,
    /// The gain of the gate in its sigmoid.
    pub alpha: f32,
    /// Where gate and up are cut off.
    pub limit: f32,
}

/// An expert that a token has, and how much it counts.
struct Choice {
    expert: usize,
    token: usize,
    weight: f32,
}

impl Experts {
    /// `residual + forward(x)`, where the second term is what `point` names.
    pub fn add_to(&self, residual: &Tensor, x: &Tensor, point: Point, pass: &mut Pass<'_>) -> Tensor {
        let (tokens, width) = (x.shape()[0], x.shape()[1]);
        let scores = self.router.forward(x, pass); // [tokens, experts]
        let mut choices: Vec<Choice> =
            (0..tokens).flat_map(|token| self.choose(token, scores.row(token))).collect();
        choices.sort_by_key(|choice| choice.expert);

        let mut out = pass.zeros(&[tokens, width]);
        for chosen in choices.chunk_by(|a, b| a.expert == b.expert) {
            let y = self.run(chosen, x, pass); // [chosen, width]
            for (choice, y) in chosen.iter().zip(y.chunks_exact(width)) {
                let out = &mut out.values_mut()[choice.token * width..][..width];
                out.iter_mut().zip(y).for_each(|(out, y)| *out += choice.weight * y);
            }
        }
        add_to(residual, out, point, pass)
    }

    /// The experts with the largest scores, which count as a softmax of these scores says.
    fn choose(&self, token: usize, scores: &[f32]) -> impl Iterator<Item = Choice> + use<> {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        order.truncate(self.n_chosen);
        let exps: Vec<f64> = order.iter().map(|i| f64::from(scores[*i] - scores[order[0]]).exp()).collect();
        let sum: f64 = exps.iter().sum();
        let weigh = move |(expert, exp)| Choice { expert, token, weight: (exp / sum) as f32 };
        order.into_iter().zip(exps).map(weigh)
    }

    /// What an expert makes of the tokens that have it.
    fn run(&self, chosen: &[Choice], x: &Tensor, pass: &Pass<'_>) -> Tensor {
        let (expert, width) = (chosen[0].expert, x.shape()[1]);
        let mut rows = pass.blank(&[chosen.len(), width]);
        for (choice, row) in chosen.iter().zip(rows.values_mut().chunks_exact_mut(width)) {
            row.copy_from_slice(x.row(choice.token));
        }
        let gate_up = self.gate_up[expert].forward(&rows, pass); // [chosen, d_mlp, 2]
        let mut hidden = pass.blank(&[chosen.len(), gate_up.shape()[1] / 2]);
        kernels::clamped_gate(pass.compute, &gate_up, self.alpha, self.limit, hidden.values_mut());
        self.down[expert].forward(&hidden, pass)
    }
}
