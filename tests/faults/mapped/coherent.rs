//! One file, seen through the map and by position: both show what either wrote, at once.

use std::path::Path;

use mmap_array::{Lock, NpyFile, s};

use super::doors::{self, PLAIN};
use crate::child::{say, start, wait_for_parent};
use crate::ground::{self, Disk};

/// Elements: a little more than four pages.
const LEN: usize = 2100;

fn on_each_file_system(test: impl Fn(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    test(&folder.path().join("a.npy"));
    let disks: [Option<Disk>; 2] = [ground::tmpfs("size=4m"), ground::ext4(16)];
    disks.iter().flatten().for_each(|disk| test(&disk.join("a.npy")));
}

#[test]
fn what_is_stored_is_read_by_position_and_what_is_written_by_position_shows_in_the_map() {
    on_each_file_system(|path| {
        let mut array = doors::create::<u64>(&PLAIN, path, &[LEN]).unwrap();
        let file = NpyFile::<u64>::open(path).unwrap();
        for round in 1..5000 {
            let at = round * 7919 % (LEN - 20);
            let value = round as u64;
            array[[at]] = value;
            assert_eq!(file.read_window([at..at + 1]).unwrap()[[0]], value);
            assert_eq!(array.file().read_window([at..at + 1]).unwrap()[[0]], value);
            array.write_window([at..at + 20], &[value + 1; 20]).unwrap();
            assert_eq!(array.as_slice().unwrap()[at..at + 20], [value + 1; 20]);
            array.write_slice(s![at..at + 20; 2], &[value + 2; 10]).unwrap();
            assert_eq!((array[[at]], array[[at + 1]]), (value + 2, value + 1));
        }
    });
}

/// Child: stores into the first half of the array, and looks at the second.
pub(crate) fn beside(path: &Path) {
    let mut array = doors::open_mut::<u64>(&PLAIN.lock(Lock::Cooperative), path).unwrap();
    for round in 1..=100 {
        array.slice_mut(s![..LEN / 2]).unwrap().fill(round);
        say(round);
        wait_for_parent();
        // A fresh borrow by position: the map's own would be a promise that nobody writes.
        say(array.file().read_window([LEN - 1..LEN]).unwrap()[[0]]);
    }
}

#[test]
fn careful_writers_in_two_processes_see_what_each_other_stored() {
    on_each_file_system(|path| {
        let careful = PLAIN.lock(Lock::Cooperative);
        let mut array = doors::create::<u64>(&careful, path, &[LEN]).unwrap();
        let mut child = start("beside", path);
        for round in 1..=100 {
            assert_eq!(child.next_line().unwrap(), round.to_string());
            let theirs = array.file().read_window([0..LEN / 2]).unwrap();
            assert!(theirs.as_slice().iter().all(|&found| found == round), "{round}");
            array.slice_mut(s![LEN / 2..]).unwrap().fill(round * 10);
            child.go();
            assert_eq!(child.next_line().unwrap(), (round * 10).to_string());
        }
        child.finish();
    });
}
