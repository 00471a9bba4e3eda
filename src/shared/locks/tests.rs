//! Claims one after the other: what is granted, and what has to wait.

use super::*;

/// What is held, element by element of an array of 4 x 4.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Held {
    Read,
    Write,
    Region { ticket: Ticket, rows: [usize; 2], columns: [usize; 2], write: bool },
}

impl Held {
    fn writes(self) -> bool {
        matches!(self, Held::Write | Held::Region { write: true, .. })
    }

    fn has(self, row: usize, column: usize) -> bool {
        match self {
            Held::Read | Held::Write => true,
            Held::Region { rows, columns, .. } => {
                (rows[0]..rows[1]).contains(&row) && (columns[0]..columns[1]).contains(&column)
            }
        }
    }

    /// Whether both touch an element that one of them writes, or one needs the handle alone.
    fn excludes(self, other: Held) -> bool {
        let touch = |row, column| self.has(row, column) && other.has(row, column);
        let cells = (0..16).any(|cell| touch(cell / 4, cell % 4));
        // A box without elements reads the handle.
        let handle = self == Held::Write || other == Held::Write;
        handle || cells && (self.writes() || other.writes())
    }
}

#[test]
fn claims_are_granted_exactly_where_no_element_is_in_conflict() {
    let locks = Locks::new();
    let mut held: Vec<Held> = Vec::new();
    let mut state = 1_u64;
    let mut below = |end: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % end
    };
    let (mut granted, mut refused) = (0, 0);
    for _ in 0..if cfg!(miri) { 500 } else { 100_000 } {
        if held.len() > below(8) {
            match held.swap_remove(below(held.len())) {
                Held::Read => locks.end_read(),
                Held::Write => locks.end_write(),
                Held::Region { ticket, .. } => locks.end_region(ticket),
            }
            continue;
        }
        let mut range = || {
            let (a, b) = (below(5), below(5));
            [a.min(b), a.max(b)]
        };
        let (rows, columns) = (range(), range());
        let window = Window::from([rows[0]..rows[1], columns[0]..columns[1]]);
        let (kind, write) = (below(8), below(2) == 0);
        let ticket = Ticket(u64::MAX);
        let wanted = match kind {
            0 => Held::Write,
            1 => Held::Read,
            _ => Held::Region { ticket, rows, columns, write },
        };
        let expected = !held.iter().any(|&other| wanted.excludes(other));
        let got =
            match wanted {
                Held::Write => locks.write(false).then_some(wanted),
                Held::Read => locks.read(false).then_some(wanted),
                Held::Region { .. } => locks
                    .region(window, write, false)
                    .map(|ticket| Held::Region { ticket, rows, columns, write }),
            };
        assert_eq!(got.is_some(), expected, "{wanted:?} beside {held:?}");
        if expected {
            granted += 1
        } else {
            refused += 1
        }
        held.extend(got);
    }
    assert!(cfg!(miri) || (granted > 10_000 && refused > 10_000), "{granted} {refused}");
}

#[test]
fn nobody_overtakes_whom_he_would_have_to_wait_for() {
    let locks = Locks::new();
    let region = |range: std::ops::Range<usize>, write| {
        locks.region(Window::from(range), write, false).inspect(|&ticket| {
            locks.end_region(ticket);
        })
    };
    assert!(locks.read(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let ticket = locks.region(Window::from(3..5), true, true).expect("who waits");
            locks.end_region(ticket);
        });
        // Until it waits.
        while locks.table().waiting == 0 {
            std::thread::yield_now();
        }
        // Readers of the whole, and of its box, come after it; others need not.
        assert!(!locks.read(false) && !locks.write(false));
        assert!(region(4..9, false).is_none() && region(5..9, false).is_some());
        locks.end_read();
    });
    assert!(locks.write(false));
    locks.end_write();
    assert_eq!(locks.word.load(Ordering::Relaxed), 0);
}

#[test]
fn leaked_readers_never_overflow_the_count() {
    let locks = Locks::new();
    locks.word.store(FULL - READER, Ordering::Relaxed);
    assert!(locks.read(false) && !locks.read(false));
    let word = locks.word.load(Ordering::Relaxed);
    assert_eq!(word, FULL);
    assert!(!locks.write(false));
}
