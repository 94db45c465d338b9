//! Charts as SVG, made here and shown as images: no script draws, and a table stands behind each for those who cannot see it.

use super::admin::Hour;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::fmt::Write as _;

const WIDTH: u64 = 640;
const HEIGHT: u64 = 160;
const FOOT: u64 = 20;
const TOP: u64 = 16;
/// More hours than this would be thinner than a pixel can show.
const HOURS: usize = 72;

/// Decisions per hour as stacked bars, `data:image/svg+xml;base64,…`, or nothing when there were none. The colours follow the
/// reader's light or dark; what asked for more proof is also hatched, so that colour alone says nothing.
pub fn decisions(hours: &[Hour]) -> Option<String> {
    let shown = &hours[hours.len().saturating_sub(HOURS)..];
    let most = shown.iter().map(total).max().filter(|most| *most > 0)?;
    Some(format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg(shown, most))))
}

fn total(hour: &Hour) -> u64 {
    hour.totals.permit.saturating_add(hour.totals.step_up).saturating_add(hour.totals.deny)
}

/// Tenths of a unit, so that integers suffice.
fn tenths(part: u64, of: u64, length: u64) -> u64 {
    u64::try_from(u128::from(part) * u128::from(length) * 10 / u128::from(of.max(1))).unwrap_or(0)
}

fn decimal(tenths: u64) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn svg(hours: &[Hour], most: u64) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\">\
         <style>text{{font:12px system-ui,sans-serif;fill:#4a5a57}}.p{{fill:#0b625e}}.s{{fill:url(#h)}}.d{{fill:#a11a1a}}\
         .a{{stroke:#6f807c}}.h{{stroke:#7a4b00}}\
         @media(prefers-color-scheme:dark){{text{{fill:#a9bab6}}.p{{fill:#62cfc4}}.d{{fill:#ff9d92}}.a{{stroke:#839692}}.h{{stroke:#f3c565}}}}</style>\
         <defs><pattern id=\"h\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
         <path class=\"h\" stroke-width=\"5\" d=\"M0 0v4\"/></pattern></defs>"
    );
    let room = HEIGHT - FOOT - TOP;
    let base = (HEIGHT - FOOT) * 10;
    let step = WIDTH * 10 / hours.len().max(1) as u64;
    for (index, hour) in hours.iter().enumerate() {
        let left = step * index as u64 + step / 8;
        let mut top = base;
        for (class, part) in [("p", hour.totals.permit), ("s", hour.totals.step_up), ("d", hour.totals.deny)] {
            let height = tenths(part, most, room);
            if part == 0 {
                continue;
            }
            // What happened once in a busy day must still be seen.
            let height = height.max(15);
            top = top.saturating_sub(height);
            let _ = write!(
                out,
                "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                decimal(left),
                decimal(top),
                decimal(step * 3 / 4),
                decimal(height)
            );
        }
    }
    let y = HEIGHT - FOOT;
    let _ = write!(out, "<path class=\"a\" d=\"M0 {y}.5H{WIDTH}\"/><text x=\"0\" y=\"11\">{most}</text>");
    // Direct labels: hours before now, which every reader's clock agrees on.
    let last = hours.len();
    for back in [24, 18, 12, 6] {
        if back <= last {
            let x = decimal(step * (last - back) as u64);
            let _ = write!(out, "<text x=\"{x}\" y=\"{}\">−{back} h</text>", HEIGHT - 5);
        }
    }
    out.push_str("</svg>");
    out
}

#[cfg(test)]
mod tests {
    // A test that cannot go on should stop.
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::admin::Totals;
    use super::*;
    use counterfoil_core::time::Time;

    fn hours(of: &[(u64, u64, u64)]) -> Vec<Hour> {
        of.iter()
            .enumerate()
            .map(|(index, (permit, step_up, deny))| Hour {
                at: Time::from_seconds(index as i64 * 3600),
                totals: Totals { permit: *permit, step_up: *step_up, deny: *deny },
            })
            .collect()
    }

    #[test]
    fn no_decisions_no_chart() {
        assert_eq!(decisions(&[]), None);
        assert_eq!(decisions(&hours(&[(0, 0, 0); 24])), None);
    }

    #[test]
    fn every_kind_of_answer_is_seen_however_rare_and_no_number_is_too_large() {
        let drawn = svg(&hours(&[(1_000_000, 1, 1), (0, 0, 2)]), 1_000_002);
        for (class, bars) in [("p", 1), ("s", 1), ("d", 2)] {
            assert_eq!(drawn.matches(&format!("<rect class=\"{class}\"")).count(), bars, "{class}");
        }
        assert!(decisions(&hours(&[(u64::MAX, u64::MAX, 1)])).is_some());
    }
}
