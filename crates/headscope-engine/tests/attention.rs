//! Attention against plain loops in f64, on odd shapes, with every instruction
//! set that this machine has.

mod support;

use headscope_engine::kernels::{AttendRule, Attended, Compute, Heads, Isa, attend, mix, softmax_rows};
use proptest::prelude::*;
use std::ops::Range;
use support::{EPS, bits, each_isa, numbers};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn attention_is_softmax_of_products(
        queries in prop_oneof![0usize..70, Just(130)],
        keys in prop_oneof![0usize..70, Just(97), Just(200), Just(384), Just(800)],
        (query_heads, key_heads) in prop_oneof![Just((3, 3)), Just((6, 2)), Just((4, 1))],
        d_head in prop_oneof![Just(32usize), Just(64), Just(1), Just(5), Just(20), Just(100), Just(256)],
        mask in 0..5,
        soft_cap in prop::option::of(Just(5.0f32)),
        with_sink: bool,
        padded: bool,
        sloped: bool,
        sharp in prop_oneof![Just(0.2f32), Just(3.0)],
        rising: bool,
        seed: u64,
    ) {
        let width = query_heads * d_head;
        let q = numbers(queries * (width + 3), seed);
        let mut k = numbers(keys * key_heads * d_head, seed + 1);
        if rising {
            // The largest score of a row grows from block to block of keys.
            for (j, key) in k.chunks_mut(key_heads * d_head).enumerate() {
                key.iter_mut().for_each(|k| *k *= 0.1 + j as f32 / 400.0);
            }
        }
        let v = numbers(keys * key_heads * d_head, seed + 2);
        // Queries by token with a gap, keys by token, values by head.
        let q = Heads { data: &q, n_heads: query_heads, tokens: queries, d_head, head_stride: d_head, token_stride: width + 3 };
        let k = Heads { data: &k, n_heads: key_heads, tokens: keys, d_head, head_stride: d_head, token_stride: key_heads * d_head };
        let v = Heads { data: &v, n_heads: key_heads, tokens: keys, d_head, head_stride: keys * d_head, token_stride: d_head };
        let window = move |i: usize| -> Range<usize> {
            match mask {
                0 => 0..keys,
                1 => 0..(i + 1).min(keys),
                2 => i.saturating_sub(7).min(keys)..(i + 8).min(keys),
                3 => i.saturating_sub(20).min(keys)..(i + 1).min(keys),
                // Some queries see nothing at all, some ranges exceed the keys.
                _ => if i.is_multiple_of(3) { 0..0 } else { 2..keys + 9 },
            }
        };
        let padding: Option<Vec<bool>> = padded.then(|| (0..keys).map(|j| j % 4 != 1).collect());
        let sink = with_sink.then(|| numbers(query_heads, seed + 3));
        let slope = |h: usize, i: usize, j: usize| (h as f32 - 1.5) * ((7 * i + 3 * j) % 11) as f32 * 0.125;
        let add = move |h: usize, i: usize, keys: Range<usize>, scores: &mut [f32]| {
            scores.iter_mut().zip(keys).for_each(|(score, j)| *score += slope(h, i, j));
        };
        let bias = sloped.then_some(add);
        let rule = AttendRule { scale: sharp, keys: &window, causal: mask == 1, padding: padding.as_deref(), soft_cap, bias: bias.as_ref().map(|bias| bias as _), sink: sink.as_deref() };
        let expected = plain_attention(q, k, v, rule);
        for compute in each_isa() {
            let isa = compute.isa();
            let n = query_heads * queries;
            let (mut z, mut lse) = (vec![f32::NAN; queries * width], vec![f32::NAN; n]);
            let (mut scores, mut pattern) = (vec![f32::NAN; n * keys], vec![0.0; n * keys]);
            let all = Attended { z: Some(&mut z), lse: Some(&mut lse), scores: Some(&mut scores), pattern: Some(&mut pattern) };
            attend(&compute, q, k, v, rule, all);
            let bound = 3.0 * EPS * f64::from(sharp) * (d_head as f64).max(8.0) + if sloped { 6.0 * EPS } else { 0.0 };
            close(&format!("{isa} scores"), &scores, &expected.scores, bound)?;
            close(&format!("{isa} lse"), &lse, &expected.lse, bound + 4.0 * EPS)?;
            close(&format!("{isa} pattern"), &pattern, &expected.pattern, bound + 4.0 * EPS)?;
            close(&format!("{isa} z"), &z, &expected.z, bound + 4.0 * EPS)?;
            for (row, lse) in pattern.chunks(keys.max(1)).zip(&lse) {
                let sum: f64 = row.iter().map(|&x| f64::from(x)).sum();
                if sink.is_none() && lse.is_finite() {
                    prop_assert!((sum - 1.0).abs() < 3.0 * EPS, "{isa}: a row sums to {sum}");
                }
            }

            // What is not asked for changes nothing of what is.
            let mut alone = vec![f32::NAN; queries * width];
            attend(&compute, q, k, v, rule, Attended { z: Some(&mut alone), ..Attended::default() });
            prop_assert_eq!(bits(&alone), bits(&z));
            let mut alone = vec![f32::NAN; n];
            attend(&compute, q, k, v, rule, Attended { lse: Some(&mut alone), ..Attended::default() });
            prop_assert_eq!(bits(&alone), bits(&lse));

            // A recorded pass taken up again at its scores, and at its pattern.
            let (mut again, mut sums) = (vec![f32::NAN; n * keys], vec![f32::NAN; n]);
            softmax_rows(&compute, &scores, query_heads, keys, rule.sink, &mut again, Some(&mut sums));
            close(&format!("{isa} pattern from scores"), &again, &expected.pattern, bound + 4.0 * EPS)?;
            close(&format!("{isa} lse from scores"), &sums, &expected.lse, bound + 4.0 * EPS)?;
            let mut mixed = vec![f32::NAN; queries * width];
            mix(&compute, &pattern, query_heads, v, &mut mixed);
            close(&format!("{isa} z from pattern"), &mixed, &expected.z, bound + 4.0 * EPS)?;
        }
    }
}

fn close(what: &str, got: &[f32], expected: &[f64], bound: f64) -> Result<(), TestCaseError> {
    prop_assert_eq!(got.len(), expected.len());
    for (i, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(got) - expected).abs();
        let bound = bound * (1.0 + expected.abs());
        prop_assert!(
            f64::from(got) == expected || error <= bound,
            "{what}: {i} is {got}, not {expected}: off by {error:e}, more than {bound:e}"
        );
    }
    Ok(())
}

struct Plain {
    scores: Vec<f64>,
    pattern: Vec<f64>,
    lse: Vec<f64>,
    z: Vec<f64>,
}

fn plain_attention(q: Heads, k: Heads, v: Heads, rule: AttendRule) -> Plain {
    let at = |x: &Heads, h: usize, t: usize, d: usize| {
        f64::from(x.data[h * x.head_stride + t * x.token_stride + d])
    };
    let mut out =
        Plain { scores: vec![], pattern: vec![], lse: vec![], z: vec![0.0; q.tokens * q.n_heads * v.d_head] };
    for h in 0..q.n_heads {
        let kh = h * k.n_heads / q.n_heads;
        for i in 0..q.tokens {
            let seen = (rule.keys)(i);
            let score = |j: usize| {
                if !seen.contains(&j) || rule.padding.is_some_and(|p| !p[j]) {
                    return f64::NEG_INFINITY;
                }
                let s = (0..q.d_head).map(|d| at(&q, h, i, d) * at(&k, kh, j, d)).sum::<f64>()
                    * f64::from(rule.scale);
                let s = rule.soft_cap.map_or(s, |cap| f64::from(cap) * (s / f64::from(cap)).tanh());
                let mut term = [0.0];
                rule.bias.inspect(|bias| bias(h, i, j..j + 1, &mut term));
                s + f64::from(term[0])
            };
            let scores: Vec<f64> = (0..k.tokens).map(score).collect();
            let sink = rule.sink.map_or(0.0, |sink| f64::from(sink[h]).exp());
            let sum = scores.iter().map(|s| s.exp()).sum::<f64>() + sink;
            let weights: Vec<f64> =
                scores.iter().map(|s| if sum == 0.0 { 0.0 } else { s.exp() / sum }).collect();
            for d in 0..v.d_head {
                let mixed = (0..k.tokens).map(|j| weights[j] * at(&v, kh, j, d)).sum();
                out.z[(i * q.n_heads + h) * v.d_head + d] = mixed;
            }
            out.lse.push(sum.ln());
            out.scores.extend(scores);
            out.pattern.extend(weights);
        }
    }
    out
}

/// Queries, keys and values of three heads on one key head in one buffer, `[tokens, 5 * 24]`.
fn heads(data: &[f32], part: usize, n_heads: usize) -> Heads<'_> {
    let (d_head, token_stride) = (24, 5 * 24);
    let tokens = data.len() / token_stride;
    Heads { data: &data[part * d_head..], n_heads, tokens, d_head, head_stride: d_head, token_stride }
}

struct Results {
    z: Vec<f32>,
    lse: Vec<f32>,
    pattern: Vec<f32>,
}

/// Attention of some queries to the first `keys` keys of a text.
fn part(compute: &Compute, qkv: &[f32], queries: Range<usize>, keys: usize, rule: AttendRule) -> Results {
    let q = heads(&qkv[queries.start * 120..queries.end * 120], 0, 3);
    let (k, v) = (heads(&qkv[..keys * 120], 3, 1), heads(&qkv[..keys * 120], 4, 1));
    let n = 3 * queries.len();
    let (mut z, mut lse, mut pattern) = (vec![f32::NAN; n * 24], vec![f32::NAN; n], vec![0.0; n * keys]);
    let out = Attended { z: Some(&mut z), lse: Some(&mut lse), pattern: Some(&mut pattern), scores: None };
    attend(compute, q, k, v, rule, out);
    Results { z, lse, pattern }
}

type Keys<'a> = &'a (dyn Fn(usize) -> Range<usize> + Sync);

fn causal_rule<'a>(keys: Keys<'a>, sink: &'a [f32]) -> AttendRule<'a> {
    AttendRule { scale: 0.7, keys, causal: true, padding: None, soft_cap: None, bias: None, sink: Some(sink) }
}

/// What a language model does when it continues a text: the same bits as in one go, and no
/// token's numbers depend on those that come after it.
#[test]
fn a_text_may_be_continued() {
    let n = 900;
    let qkv = numbers(n * 120, 3);
    let sink = [0.5, -2.0, 1.0];
    let causal = |i: usize| 0..i + 1;
    let window = |i: usize| (i + 1).saturating_sub(150)..i + 1;
    let masks: [(&str, Keys); 2] = [("causal", &causal), ("window", &window)];
    for compute in each_isa() {
        for (name, mask) in masks {
            let whole = part(&compute, &qkv, 0..n, n, causal_rule(mask, &sink));
            for queries in [0..1, 0..5, 1..2, 3..20, 0..63, 60..140, 300..301, 370..400, 5..700, 899..900] {
                let later = |i: usize| mask(i + queries.start);
                let keys = queries.end;
                let some = part(&compute, &qkv, queries.clone(), keys, causal_rule(&later, &sink));
                for (i, query) in queries.clone().enumerate() {
                    let at = format!("{} {name}: query {query} of {queries:?}", compute.isa());
                    assert_eq!(bits(&some.z[i * 72..][..72]), bits(&whole.z[query * 72..][..72]), "z, {at}");
                    for head in 0..3 {
                        let (row, whole_row) = (head * queries.len() + i, head * n + query);
                        assert_eq!(some.lse[row].to_bits(), whole.lse[whole_row].to_bits(), "lse, {at}");
                        let some = &some.pattern[row * keys..][..keys];
                        assert_eq!(
                            bits(some),
                            bits(&whole.pattern[whole_row * n..][..keys]),
                            "pattern, {at}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn threads_change_no_bit() {
    for isa in Isa::available() {
        for n in [1, 9, 37, 150, 500] {
            let qkv = numbers(n * 120, 2);
            for reach in [3, 200, 1000] {
                let mask = |i: usize| i.saturating_sub(reach)..i + 1 + reach;
                let rule = AttendRule {
                    scale: 0.3,
                    keys: &mask,
                    causal: false,
                    padding: None,
                    soft_cap: None,
                    bias: None,
                    sink: None,
                };
                let run = |threads: usize| {
                    let Results { z, lse, pattern } = part(&Compute::new(threads, isa), &qkv, 0..n, n, rule);
                    [bits(&z), bits(&lse), bits(&pattern)]
                };
                let one = run(1);
                for threads in [2, 3, 8] {
                    assert!(one == run(threads), "{isa}: {threads} threads, {n} tokens");
                }
            }
        }
    }
}

/// Scores near 180, as in gte-small's last layer: an f32 there is good to 8e-6,
/// and so would patterns be if scores were rounded to it.
#[test]
fn far_off_scores_lose_nothing() {
    let (n, d_head) = (70, 32);
    let (q, k) = (numbers(n * d_head, 1), numbers(n * d_head, 2));
    let q: Vec<f32> = q.iter().map(|q| 5.6 + 0.1 * q).collect();
    let k: Vec<f32> = k.iter().map(|k| 5.7 + k).collect();
    let heads = |data| Heads { data, n_heads: 1, tokens: n, d_head, head_stride: 0, token_stride: d_head };
    let full = |_: usize| 0..n;
    let rule = AttendRule {
        scale: 0.176_776_7,
        keys: &full,
        causal: false,
        padding: None,
        soft_cap: None,
        bias: None,
        sink: None,
    };
    let expected = plain_attention(heads(&q), heads(&k), heads(&k), rule);
    assert!(expected.scores.iter().all(|s| (150.0..210.0).contains(s)));
    for compute in each_isa() {
        let (mut pattern, mut lse) = (vec![0.0; n * n], vec![0.0; n]);
        let out = Attended { pattern: Some(&mut pattern), lse: Some(&mut lse), ..Attended::default() };
        attend(&compute, heads(&q), heads(&k), heads(&k), rule, out);
        let off = |got: &[f32], expected: &[f64]| {
            got.iter().zip(expected).map(|(&a, b)| (f64::from(a) - b).abs()).fold(0.0, f64::max)
        };
        let (error, lse_error) = (off(&pattern, &expected.pattern), off(&lse, &expected.lse));
        println!("{}: pattern {error:.1e}, lse {lse_error:.1e}", compute.isa());
        assert!(error < 1.5e-6, "{}: pattern off by {error:e}", compute.isa());
        assert!(lse_error < 1.2e-5, "{}: lse off by {lse_error:e}", compute.isa());
    }
}

#[test]
fn softmax_of_extremes() {
    for compute in each_isa() {
        let inf = f32::INFINITY;
        let check = |scores: &[f32], expected: &[f32], expected_lse: f32| {
            let (mut pattern, mut lse) = (vec![f32::NAN; scores.len()], [f32::NAN]);
            softmax_rows(&compute, scores, 1, scores.len(), None, &mut pattern, Some(&mut lse));
            assert_eq!(pattern, expected, "{}: {scores:?}", compute.isa());
            assert_eq!(lse[0], expected_lse, "{}: {scores:?}", compute.isa());
        };
        check(&[3.0], &[1.0], 3.0);
        check(&[-inf, -inf, -inf], &[0.0, 0.0, 0.0], -inf);
        check(&[-inf, 2.0, -inf], &[0.0, 1.0, 0.0], 2.0);
        check(&[3e38, -3e38], &[1.0, 0.0], 3e38);
        check(&[-3e38, -3e38], &[0.5, 0.5], -3e38);
        check(&[1000.0, 900.0, 0.0], &[1.0, 0.0, 0.0], 1000.0);
        check(&[0.0; 64], &[1.0 / 64.0; 64], 64f32.ln());
        let (mut pattern, mut lse) = ([0.0; 3], [0.0]);
        softmax_rows(&compute, &[0.0, f32::NAN, 1.0], 1, 3, None, &mut pattern, Some(&mut lse));
        assert!(pattern.iter().any(|x| x.is_nan()), "a NaN does not vanish: {pattern:?}");
    }
}
