//! `Debug` and `Display` of views and arrays, laid out as NumPy's: nested brackets, columns aligned,
//! and the middle of a large array left out, so that only its edges are touched.

use std::convert::Infallible;
use std::fmt;

use super::{Array, View, ViewMut};

/// An array with more elements is shown by its edges only; NumPy's own threshold.
const SHOW_ALL: usize = 1000;
/// How many indices are shown at each end of a long axis.
const EDGE: usize = 3;
/// At most about this many elements are shown of an array that is too large to be shown whole.
const SHOW_MOST: usize = 6 * 6 * 6;
/// Lines are broken before this column.
const LINE: usize = 75;

/// Lays the array out as NumPy's `str` does, with elements as Rust prints them. Large arrays are
/// cut to their edges; `{:#}` shows everything. A precision, as in `{:.2}`, applies to each
/// element.
impl<T: fmt::Debug> fmt::Display for View<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_view(f, self, " ", 0)
    }
}

/// Shows the elements, separated by commas and cut as for `Display`, and the shape.
impl<T: fmt::Debug> fmt::Debug for View<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("View(")?;
        write_view(f, self, ", ", "View(".len())?;
        write!(f, ", shape={:?})", self.shape())
    }
}

/// As [`View`]'s.
impl<T: fmt::Debug> fmt::Display for ViewMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.view(), f)
    }
}

/// As [`View`]'s.
impl<T: fmt::Debug> fmt::Debug for ViewMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ViewMut(")?;
        write_view(f, &self.view(), ", ", "ViewMut(".len())?;
        write!(f, ", shape={:?})", self.shape())
    }
}

/// As [`View`]'s.
impl<T: fmt::Debug> fmt::Display for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.view(), f)
    }
}

/// As [`View`]'s.
impl<T: fmt::Debug> fmt::Debug for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Array(")?;
        write_view(f, &self.view(), ", ", "Array(".len())?;
        write!(f, ", shape={:?})", self.shape())
    }
}

fn write_view<T: fmt::Debug>(
    f: &mut fmt::Formatter<'_>,
    view: &View<'_, T>,
    separator: &'static str,
    indent: usize,
) -> fmt::Result {
    let picture = Picture::new(view.shape(), f.alternate());
    let cells = picture.cells(|index| {
        // The picture keeps to the shape.
        let element = &view[index];
        Ok::<_, Infallible>(match f.precision() {
            Some(precision) => format!("{element:.precision$?}"),
            None => format!("{element:?}"),
        })
    });
    let Ok(cells) = cells;
    f.write_str(&picture.draw(cells, separator, indent))
}

/// Which elements of an array are shown, and where.
pub(crate) struct Picture {
    /// The indices to show of each axis, with `None` where some are left out.
    axes: Vec<Vec<Option<usize>>>,
    /// Are all of them shown?
    pub(crate) whole: bool,
}

impl Picture {
    /// The picture of an array of this shape: all of it, or its edges if it is large.
    pub(crate) fn new(shape: &[usize], whole: bool) -> Picture {
        // As in NumPy, and (1_000_000_000, 0) has more rows than anybody wants to see.
        if shape.contains(&0) {
            return Picture { axes: vec![vec![]], whole: true };
        }
        let whole = whole || shape.iter().product::<usize>() <= SHOW_ALL;
        let edges = if whole { vec![None; shape.len()] } else { edges(shape) };
        let shown = |(&len, edge): (&usize, &Option<(usize, usize)>)| {
            let (front, back) = edge.unwrap_or((len, 0));
            let gap = (front + back < len).then_some(None);
            (0..front).map(Some).chain(gap).chain((len - back..len).map(Some)).collect()
        };
        Picture { axes: shape.iter().zip(&edges).map(shown).collect(), whole }
    }

    /// The texts of the elements to show, in row-major order. `cell` gives one for each index.
    pub(crate) fn cells<E>(
        &self,
        mut cell: impl FnMut(&[usize]) -> Result<String, E>,
    ) -> Result<Vec<String>, E> {
        let mut cells = Vec::new();
        fill(&self.axes, &mut Vec::new(), &mut cells, &mut cell)?;
        Ok(cells)
    }

    /// Puts brackets, separators and dots around the texts. `indent` columns stand before the
    /// first bracket.
    pub(crate) fn draw(&self, cells: Vec<String>, separator: &str, indent: usize) -> String {
        let width = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        let pen = Pen { separator, width };
        pen.draw(&self.axes, indent + 1, &mut cells.into_iter(), &mut text);
        text
    }
}

fn fill<E>(
    axes: &[Vec<Option<usize>>],
    index: &mut Vec<usize>,
    cells: &mut Vec<String>,
    cell: &mut impl FnMut(&[usize]) -> Result<String, E>,
) -> Result<(), E> {
    let Some((axis, inner)) = axes.split_first() else {
        cells.push(cell(index)?);
        return Ok(());
    };
    for &position in axis.iter().flatten() {
        index.push(position);
        fill(inner, index, cells, cell)?;
        index.pop();
    }
    Ok(())
}

struct Pen<'a> {
    separator: &'a str,
    /// The width of the widest element.
    width: usize,
}

impl Pen<'_> {
    fn draw(
        &self,
        axes: &[Vec<Option<usize>>],
        indent: usize,
        cells: &mut impl Iterator<Item = String>,
        out: &mut String,
    ) {
        let Some((axis, inner)) = axes.split_first() else {
            return out.extend(cells.next());
        };
        out.push('[');
        let mut column = indent;
        for (count, position) in axis.iter().enumerate() {
            let cell = match (position, inner) {
                (None, _) => "...".to_owned(),
                (_, []) => {
                    let cell = cells.next().unwrap_or_default();
                    // Not `{:>width$}`, which panics from 65,536 columns on.
                    " ".repeat(self.width - cell.chars().count()) + &cell
                }
                _ => String::new(),
            };
            let len = cell.chars().count();
            // As many line breaks as axes end here: planes stand apart.
            let breaks = if column + len + 1 > LINE { inner.len().max(1) } else { inner.len() };
            if count > 0 && breaks > 0 {
                out.push_str(self.separator.trim_end());
                out.extend(std::iter::repeat_n('\n', breaks));
                out.extend(std::iter::repeat_n(' ', indent));
                column = indent;
            } else if count > 0 {
                out.push_str(self.separator);
            }
            column += len + self.separator.len();
            out.push_str(&cell);
            if position.is_some() && !inner.is_empty() {
                self.draw(inner, indent + 1, cells, out);
            }
        }
        out.push(']');
    }
}

/// Which indices of each axis to show of a large array: [`EDGE`] at each end, fewer of the outer
/// axes where there are so many axes that even that would be too much.
fn edges(shape: &[usize]) -> Vec<Option<(usize, usize)>> {
    let mut shown = 1;
    let mut edges: Vec<_> = shape
        .iter()
        .rev()
        .map(|&len| {
            let edge = match len {
                0..=1 => None,
                _ if shown >= SHOW_MOST => Some((1, 0)),
                _ if len > 2 * EDGE => Some((EDGE, EDGE)),
                _ => None,
            };
            shown *= edge.map_or(len, |(front, back)| front + back);
            edge
        })
        .collect();
    edges.reverse();
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(shape: &[usize]) -> Array<u32> {
        let len: usize = shape.iter().product();
        Array::from_vec(shape, (0..len as u32).collect()).unwrap()
    }

    #[test]
    fn small_arrays_look_as_in_numpy() {
        assert_eq!(array(&[2, 3]).to_string(), "[[0 1 2]\n [3 4 5]]");
        assert_eq!(array(&[2, 1, 2]).to_string(), "[[[0 1]]\n\n [[2 3]]]");
        assert_eq!(array(&[]).to_string(), "0");
        assert_eq!(array(&[0]).to_string(), "[]");
        assert_eq!(array(&[2, 0]).to_string(), "[]");
        assert_eq!(format!("{:?}", array(&[2, 0])), "Array([], shape=[2, 0])");
        let numbers = Array::from_vec([2], vec![0.25, 100.0]).unwrap();
        assert_eq!(format!("{numbers}"), "[ 0.25 100.0]");
        assert_eq!(format!("{numbers:.1}"), "[  0.2 100.0]");
        assert_eq!(
            format!("{:?}", array(&[2, 2])),
            "Array([[0, 1],\n       [2, 3]], shape=[2, 2])"
        );
    }

    #[test]
    fn large_arrays_show_their_edges() {
        let text = array(&[1001]).to_string();
        assert_eq!(text, "[   0    1    2 ...  998  999 1000]");
        let text = array(&[40, 40]).to_string();
        assert_eq!(text.lines().count(), 7);
        assert_eq!(text.lines().nth(3), Some(" ..."));
        assert_eq!(text.lines().nth(1), Some(" [  40   41   42 ...   77   78   79]"));
        assert!(!format!("{:#}", array(&[1001])).contains("..."));
    }

    #[test]
    fn long_lanes_are_broken_into_lines() {
        let text = array(&[100]).to_string();
        assert!(text.lines().all(|line| line.len() <= LINE), "{text}");
        assert_eq!(text.lines().nth(1).unwrap().split_whitespace().next(), Some("24"));
    }

    #[test]
    fn elements_of_any_width_are_aligned() {
        let wide = "x".repeat(1 << 16);
        let text = Array::from_vec([2], vec![wide.as_str(), ""]).unwrap().to_string();
        assert_eq!(text, format!("[\"{wide}\"\n {}\"\"]", " ".repeat(1 << 16)));
    }

    #[test]
    fn an_array_without_elements_is_shown_at_once_however_many_rows_it_has() {
        assert_eq!(array(&[1 << 30, 0]).to_string(), "[]");
    }

    #[test]
    fn only_a_few_elements_are_shown_however_many_axes_there_are() {
        let elements = vec![0_u8; 1 << 20];
        let array = Array::from_vec([2; 20], elements).unwrap();
        assert!(array.to_string().matches('0').count() <= 2 * SHOW_MOST);
    }
}
