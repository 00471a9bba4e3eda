//! `Debug` and `Display` of views and arrays, in NumPy's look: nested brackets, columns aligned,
//! and the middle of a large array left out, so that only its edges are touched.

use std::fmt::{self, Write};

use super::{Array, View};

/// An array with more elements is shown by its edges only; NumPy's own threshold.
const SHOW_ALL: usize = 1000;
/// How many indices are shown at each end of a long axis.
const EDGE: usize = 3;
/// At most about this many elements are shown of an array that is too large to be shown whole.
const SHOW_MOST: usize = 6 * 6 * 6 * 6;
/// Lines are broken before this column.
const LINE: usize = 75;

/// Shows the array as NumPy's `str` does. Large arrays are cut to their edges; `{:#}` shows
/// everything. A precision, as in `{:.2}`, applies to each element.
impl<T: fmt::Debug> fmt::Display for View<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printer::new(self, f, " ", 0).print(self, f)
    }
}

/// Shows shape and elements as NumPy's `repr` does, cut as for `Display`.
impl<T: fmt::Debug> fmt::Debug for View<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("View(")?;
        Printer::new(self, f, ", ", "View(".len()).print(self, f)?;
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
        Printer::new(&self.view(), f, ", ", "Array(".len()).print(&self.view(), f)?;
        write!(f, ", shape={:?})", self.shape())
    }
}

/// What to show and how.
struct Printer {
    /// For each axis, how many indices to show at its start and at its end; `None` for all.
    edges: Vec<Option<(usize, usize)>>,
    precision: Option<usize>,
    separator: &'static str,
    /// Columns that stand before the first bracket.
    indent: usize,
    /// The width of the widest element shown.
    width: usize,
}

impl Printer {
    fn new<T: fmt::Debug>(
        view: &View<'_, T>,
        f: &fmt::Formatter<'_>,
        separator: &'static str,
        indent: usize,
    ) -> Printer {
        let edges = if f.alternate() || view.len() <= SHOW_ALL {
            vec![None; view.ndim()]
        } else {
            edges(view.shape())
        };
        let mut printer = Printer { edges, precision: f.precision(), separator, indent, width: 0 };
        let mut width = 0;
        if !view.is_empty() {
            printer.visit(view, 0, &mut |element| width = width.max(element.chars().count()));
        }
        printer.width = width;
        printer
    }

    fn element<T: fmt::Debug>(&self, element: &T) -> String {
        match self.precision {
            Some(precision) => format!("{element:.precision$?}"),
            None => format!("{element:?}"),
        }
    }

    /// The indices to show along `axis`, with `None` where some are left out.
    fn shown(&self, axis: usize, len: usize) -> impl Iterator<Item = Option<usize>> + use<> {
        let (front, back) = self.edges[axis].unwrap_or((len, 0));
        let gap = (front + back < len).then_some(None);
        (0..front).map(Some).chain(gap).chain((len - back..len).map(Some))
    }

    fn visit<T: fmt::Debug>(&self, view: &View<'_, T>, axis: usize, see: &mut impl FnMut(&str)) {
        match view.shape().first() {
            None => view.get([]).into_iter().for_each(|element| see(&self.element(element))),
            Some(&len) => self
                .shown(axis, len)
                .flatten()
                .for_each(|index| self.visit(&view.row(index), axis + 1, see)),
        }
    }

    fn print<T: fmt::Debug>(&self, view: &View<'_, T>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As in NumPy, and (1_000_000_000, 0) has more rows than anybody wants to see.
        if view.is_empty() {
            return f.write_str("[]");
        }
        let mut text = String::new();
        self.write(view, 0, &mut text)?;
        f.write_str(&text)
    }

    fn write<T: fmt::Debug>(
        &self,
        view: &View<'_, T>,
        axis: usize,
        out: &mut String,
    ) -> fmt::Result {
        let Some(&len) = view.shape().first() else {
            return view.get([]).map_or(Ok(()), |element| write!(out, "{}", self.element(element)));
        };
        let indent = self.indent + axis + 1;
        let mut column = indent;
        out.push('[');
        for (count, index) in self.shown(axis, len).enumerate() {
            if view.ndim() > 1 {
                if count > 0 {
                    // As many line breaks as axes end here: planes stand apart.
                    out.push_str(self.separator.trim_end());
                    out.extend(std::iter::repeat_n('\n', view.ndim() - 1));
                    out.extend(std::iter::repeat_n(' ', indent));
                }
                match index {
                    Some(index) => self.write(&view.row(index), axis + 1, out)?,
                    None => out.push_str("..."),
                }
                continue;
            }
            let element = match index {
                Some(index) => {
                    let width = self.width;
                    format!("{:>width$}", self.element(&view[[index]]))
                }
                None => "...".to_owned(),
            };
            if count > 0 {
                if column + element.chars().count() + 1 > LINE {
                    out.push_str(self.separator.trim_end());
                    out.push('\n');
                    out.extend(std::iter::repeat_n(' ', indent));
                    column = indent;
                } else {
                    out.push_str(self.separator);
                }
            }
            column += element.chars().count() + self.separator.len();
            out.push_str(&element);
        }
        out.push(']');
        Ok(())
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
