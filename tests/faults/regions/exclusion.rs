//! Who keeps out whom.

use super::*;

#[test]
fn four_processes_hold_and_fill_tiles_of_one_file_at_once() {
    let tiles = ["0..4 0..3", "0..4 3..8", "4..6 0..3", "4..6 3..8"];
    let columns = ["0..6 0..1", "0..6 1..2", "0..6 2..3", "0..6 3..8"];
    for boxes in [tiles, columns] {
        for order in [Order::C, Order::Fortran] {
            let (_folder, path) = saved(&[6, 8], order);
            let mut others: Vec<_> = boxes.iter().map(|_| Other::new(&path)).collect();
            for (other, tile) in others.iter_mut().zip(boxes) {
                other.does(&format!("write {tile}"));
            }
            // All are held now, and filled without waiting for each other.
            others.iter_mut().for_each(|other| other.0.tell("store"));
            others.iter_mut().for_each(|other| assert_eq!(other.0.next_line().unwrap(), "done"));
            let ids: Vec<u64> = others.iter().map(Other::id).collect();
            others.into_iter().for_each(Other::end);
            let found = load::<u64>(&path).unwrap();
            for row in 0..6 {
                for column in 0..8 {
                    let tile = if boxes == columns {
                        column.min(3)
                    } else {
                        row / 4 * 2 + usize::from(column >= 3)
                    };
                    assert_eq!(found[[row, column]], ids[tile], "{order:?} [{row}, {column}]");
                }
            }
        }
    }
}

#[test]
fn a_region_keeps_other_processes_out_of_its_elements_until_it_is_freed() {
    let (_folder, path) = saved(&[4, 5], Order::C);
    let ours = open(&path);
    let mut other = Other::new(&path);
    other.does("write 1..3 1..3");
    assert!(!can_write(&ours, [0..4, 2..3]) && !can_read(&ours, [2..3, 0..5]));
    assert!(can_write(&ours, [1..3, 0..1]) && can_write(&ours, [1..3, 3..5]));
    assert!(can_read(&ours, [0..1, 0..5]) && can_write(&ours, [3..4, 0..5]));
    let held = ours.write_region([1..3, 3..4]).unwrap();
    other.cannot("try_write 0..4 3..4");
    other.cannot("try_read 2..3 3..5");
    other.does("try_write 3..4 0..5");
    drop(held);
    other.does("try_read 2..3 3..5");
    other.does("free");
    assert!(can_write(&ours, [0..4, 0..5]) && can_read(&ours, [0..4, 0..5]));
    assert_eq!(other.ask("try_read 0..5 0..5"), "OutOfBounds");
    assert!(can_write(&ours, [0..4, 0..5]));
}

#[test]
fn regions_to_read_are_shared_by_processes_and_each_counts_for_itself() {
    let (_folder, path) = saved(&[4, 5], Order::Fortran);
    let ours = open(&path);
    let mut other = Other::new(&path);
    let (first, second) =
        (ours.read_region([0..4, 0..3]).unwrap(), ours.read_region([0..4, 1..4]).unwrap());
    other.does("read 0..2 0..5");
    other.cannot("try_write 3..4 2..3");
    // What one of ours gives up, the other one still has.
    drop(first);
    other.cannot("try_write 3..4 2..3");
    other.does("try_write 3..4 0..1");
    drop(second);
    other.does("try_write 3..4 2..3");
    assert!(!can_write(&ours, [0..1, 4..5]) && can_read(&ours, [0..1, 0..5]));
    other.does("free");
    assert!(can_write(&ours, [0..4, 0..5]));
}

#[test]
fn a_box_of_more_runs_than_are_locked_one_by_one_keeps_out_all_that_overlap_it() {
    let (_folder, path) = saved(&[5000, 3], Order::C);
    let ours = open(&path);
    let mut other = Other::new(&path);
    other.does("write 0..5000 1..2");
    for window in [[0..1, 1..2], [2500..2501, 0..3], [4999..5000, 1..2], [0..5000, 1..2]] {
        assert!(!can_read(&ours, window.clone()) && !can_write(&ours, window));
    }
    // Those before its first and after its last one are free, and nothing between.
    assert!(can_write(&ours, [0..1, 0..1]) && can_write(&ours, [4999..5000, 2..3]));
    assert!(!can_write(&ours, [2500..2501, 2..3]));
    other.does("free");
    // As many as are locked one by one are locked exactly.
    other.does("write 0..256 1..2");
    assert!(can_write(&ours, [0..256, 0..1]) && can_write(&ours, [0..256, 2..3]));
    assert!(!can_read(&ours, [255..256, 1..2]));
}

#[test]
fn two_handles_of_one_process_keep_each_other_out_as_two_processes_do() {
    let (_folder, path) = saved(&[4, 5], Order::C);
    let (first, second) = (open(&path), open(&path));
    let held = first.write_region([1..2, 0..5]).unwrap();
    assert!(!can_read(&second, [0..4, 2..3]) && can_write(&second, [2..4, 0..5]));
    drop(held);
    assert!(can_write(&second, [0..4, 0..5]));
}
