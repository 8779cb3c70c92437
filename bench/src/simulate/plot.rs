//! A line through some points as text, for a terminal and a page alike: drawn by plotters, on characters.

use std::convert::Infallible;

use anyhow::Context;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};
use plotters_backend::{BackendColor, BackendStyle, BackendTextStyle, DrawingErrorKind};

const WIDTH: usize = 72;
const HEIGHT: usize = 14;
/// Characters that the numbers at the left take.
const LABELS: u32 = 12;

/// Characters to draw on.
struct Canvas<'c>(&'c mut Vec<Vec<char>>);

impl Canvas<'_> {
    fn put(&mut self, (x, y): (i32, i32), character: char) {
        let line = usize::try_from(y).ok().and_then(|y| self.0.get_mut(y));
        if let (Some(line), Ok(x)) = (line, usize::try_from(x))
            && let Some(place) = line.get_mut(x)
        {
            *place = character;
        }
    }
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl DrawingBackend for Canvas<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        (WIDTH as u32, HEIGHT as u32)
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, at: (i32, i32), color: BackendColor) -> Drawn {
        if color.alpha > 0.3 {
            self.put(at, '*');
        }
        Ok(())
    }

    fn draw_line<S: BackendStyle>(&mut self, from: (i32, i32), to: (i32, i32), style: &S) -> Drawn {
        // Axes are black, and the only lines that are straight by their nature.
        if style.color().rgb != (0, 0, 0) {
            return plotters_backend::rasterizer::draw_line(self, from, to, style);
        }
        for y in from.1.min(to.1)..=from.1.max(to.1) {
            for x in from.0.min(to.0)..=from.0.max(to.0) {
                self.put((x, y), if from.0 == to.0 { '|' } else { '-' });
            }
        }
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        _: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        Ok((u32::try_from(text.chars().count()).unwrap_or(u32::MAX), 1))
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, at: (i32, i32)) -> Drawn {
        let width = text.chars().count() as i32;
        let left = match style.anchor().h_pos {
            HPos::Left => at.0,
            HPos::Right => at.0 - width,
            HPos::Center => at.0 - width / 2,
        };
        let top = match style.anchor().v_pos {
            VPos::Top | VPos::Center => at.1,
            VPos::Bottom => at.1 - 1,
        };
        // What would not fit at an end is moved in.
        let left = left.clamp(0, (WIDTH as i32 - width).max(0));
        for (x, character) in (left..).zip(text.chars()) {
            self.put((x, top), character);
        }
        Ok(())
    }
}

/// The points from left to right, as far apart as each other, each with its label.
pub(super) fn plot(caption: &str, points: &[(String, f64)]) -> anyhow::Result<String> {
    let mut characters = vec![vec![' '; WIDTH]; HEIGHT];
    let last = points.len().saturating_sub(1).max(1);
    let most = points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let label = |place: &f64| {
        let number = place.round();
        let is_point = (place - number).abs() < 1e-6 && number >= 0.0;
        let point = is_point.then(|| points.get(number as usize)).flatten();
        point.map_or_else(String::new, |(label, _)| label.clone())
    };
    {
        let area = Canvas(&mut characters).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .set_label_area_size(LabelAreaPosition::Left, LABELS)
            .set_label_area_size(LabelAreaPosition::Bottom, 2)
            .build_cartesian_2d(0.0..last as f64, 0.0..if most > 0.0 { most } else { 1.0 })
            .context("cannot make a plot")?;
        let mut mesh = chart.configure_mesh();
        mesh.disable_mesh().x_labels(points.len()).y_labels(5).x_label_formatter(&label);
        mesh.set_all_tick_mark_size(0).y_label_formatter(&|value| format!("{value:.3}"));
        mesh.draw().context("cannot draw the axes")?;
        let line = points.iter().enumerate().map(|(at, (_, value))| (at as f64, *value));
        chart.draw_series(LineSeries::new(line, &RED)).context("cannot draw the line")?;
    }
    let lines = characters.iter().map(|line| String::from_iter(line).trim_end().to_owned());
    Ok(format!("{caption}\n{}\n", lines.collect::<Vec<_>>().join("\n").trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_falling_line_falls_and_each_point_has_its_label() {
        let points =
            [("5", 90.0), ("10", 50.0), ("20", 10.0)].map(|(label, value)| (label.to_owned(), value));
        let text = plot("of a hundred", &points).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "of a hundred");
        let first = |line: &&str| line.find('*');
        let places: Vec<_> = lines.iter().filter_map(first).collect();
        assert!(places.len() > 5 && places.is_sorted() && places[0] < places[places.len() - 1], "{text}");
        assert!(["5", "10", "20"].iter().all(|label| text.contains(label)), "{text}");
    }

    #[test]
    fn no_point_and_one_and_nothing_but_zeros_are_drawn_too() {
        for points in [vec![], vec![("a".to_owned(), 3.0)], vec![("a".to_owned(), 0.0); 3]] {
            assert!(plot("x", &points).unwrap().starts_with("x\n"));
        }
    }
}
