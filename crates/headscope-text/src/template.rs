//! A check of the template that says where special tokens go.

use serde_json::Value;
use tokenizers::PostProcessorWrapper;

/// What is wrong with a template that names what is not there. The `tokenizers` crate takes it
/// from a file as it is, and would panic at the first text.
pub(crate) fn fault(processor: Option<&PostProcessorWrapper>) -> Option<String> {
    let json = serde_json::to_value(processor?).ok()?;
    let nested = json["processors"].as_array();
    let all = nested.into_iter().flatten().chain([&json]);
    all.filter(|p| p["type"] == "TemplateProcessing")
        .find_map(|p| fault_in(p, "single", &["A"]).or_else(|| fault_in(p, "pair", &["A", "B"])))
}

fn fault_in(processor: &Value, template: &str, texts: &[&str]) -> Option<String> {
    let pieces = processor[template].as_array()?;
    pieces.iter().find_map(|piece| {
        let text = piece["Sequence"]["id"].as_str();
        let token = piece["SpecialToken"]["id"].as_str();
        match (text, token) {
            (Some(text), _) if !texts.contains(&text) => Some(format!(
                "its template for a {template} text asks for a text {text:?}; there is {}",
                texts.join(" and ")
            )),
            (_, Some(token)) if processor["special_tokens"].get(token).is_none() => {
                Some(format!("its template asks for the token {token:?}, which its special_tokens lack"))
            }
            _ => None,
        }
    })
}
