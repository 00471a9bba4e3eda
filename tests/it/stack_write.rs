//! Stacks that are written: npy-stacks appear whole or not at all, and bad input changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use mmap_array::{
    Array, Error, NpyFile, OpenOptions, Order, Stack, StackInfo, StackOptions, View, s, save,
    save_npy_stack,
};

use crate::common::folder;
use crate::twin::Twin;
use crate::twin_doors::assert_is;

/// Every file in a folder, with its bytes.
fn content(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect()
}

fn names(dir: &Path) -> Vec<String> {
    content(dir).into_keys().collect()
}

#[test]
fn a_saved_stack_is_read_back_along_every_axis_with_any_number_of_rows() {
    let folder = folder();
    let twin = Twin::<i16>::new(&[5, 4, 3], 0);
    let view = View::from_shape([5, 4, 3], &twin.elements).unwrap();
    for (axis, rows) in (0..3).flat_map(|axis| (1..7).map(move |rows| (axis, rows))) {
        let dir = folder.path().join(format!("{axis}_{rows}"));
        save_npy_stack(&dir, &view, axis, rows).unwrap();
        let stack = Stack::<i16>::open_npy_stack(&dir).unwrap();
        assert_eq!(stack.parts().len(), [5_usize, 4, 3][axis].div_ceil(rows));
        assert_is(&stack.read().unwrap(), &twin);

        let again = folder.path().join(format!("{axis}_{rows}_again"));
        let stack = Stack::<i16>::create_npy_stack(&again, [5, 4, 3], axis, rows).unwrap();
        stack.write_window([0..5, 0..4, 0..3], &twin.elements).unwrap();
        stack.close().unwrap();
        assert!(content(&again) == content(&dir));
    }
}

#[test]
fn a_transposed_view_and_one_without_elements_are_saved() {
    let folder = folder();
    let twin = Twin::<f64>::new(&[4, 6], 0);
    let view = View::from_shape([4, 6], &twin.elements).unwrap();
    let dir = folder.path().join("turned");
    save_npy_stack(&dir, view.transpose(), 0, 4).unwrap();
    assert_is(&Stack::<f64>::open_npy_stack(&dir).unwrap().read().unwrap(), &twin.transpose());

    let dir = folder.path().join("empty");
    save_npy_stack(&dir, Array::from_vec([0, 6], Vec::<f64>::new()).unwrap().view(), 0, 4).unwrap();
    assert_eq!(names(&dir), ["0.npy", "info"]);
    assert_eq!(Stack::<f64>::open_npy_stack(&dir).unwrap().read().unwrap().shape(), [0, 6]);
}

#[test]
fn nothing_of_a_new_stack_is_seen_before_it_is_published_and_info_is_the_last() {
    let folder = folder();
    let dir = folder.path().join("stack");
    let stack = Stack::<u8>::create_npy_stack(&dir, [6, 2], 0, 2).unwrap();
    stack.write_slice(s![1..3], &Array::from_vec([2, 2], vec![1, 2, 3, 4]).unwrap()).unwrap();
    stack.flush().unwrap();
    if cfg!(target_os = "linux") {
        assert!(names(&dir).is_empty());
    }
    assert!(Stack::<u8>::open_npy_stack(&dir).is_err());
    assert_eq!(stack.read_slice(s![.., 1]).unwrap().as_slice(), [0, 2, 4, 0, 0, 0]);

    stack.publish().unwrap();
    assert_eq!(names(&dir), ["0.npy", "1.npy", "2.npy", "info"]);
    // It is still written to, and still locked.
    stack.write_window([5..6, 0..2], &[8, 9]).unwrap();
    assert!(matches!(Stack::<u8>::open_npy_stack_mut(&dir), Err(Error::AlreadyOpen { .. })));
    stack.close().unwrap();
    let found = Stack::<u8>::open_npy_stack(&dir).unwrap().read().unwrap();
    assert_eq!(found.as_slice(), [0, 0, 1, 2, 3, 4, 0, 0, 0, 0, 8, 9]);
}

#[test]
fn a_new_stack_that_is_dropped_leaves_nothing() {
    let folder = folder();
    let dir = folder.path().join("stack");
    drop(Stack::<u8>::create_npy_stack(&dir, [6, 2], 0, 2).unwrap());
    assert!(!dir.exists());
    fs::create_dir(&dir).unwrap();
    drop(Stack::<u8>::create_npy_stack(&dir, [6, 2], 0, 2).unwrap());
    assert!(names(&dir).is_empty());
}

#[test]
fn a_name_that_is_taken_meanwhile_is_an_error_and_publishing_may_be_tried_again() {
    let folder = folder();
    let dir = folder.path().join("stack");
    let stack = Stack::<u8>::create_npy_stack(&dir, [4], 0, 2).unwrap();
    fs::write(dir.join("1.npy"), "other").unwrap();
    let error = stack.publish().unwrap_err();
    assert!(
        matches!(&error, Error::AlreadyExists { path } if path.ends_with("1.npy")),
        "{error:?}"
    );
    assert!(!dir.join("info").exists());
    fs::remove_file(dir.join("1.npy")).unwrap();
    stack.close().unwrap();
    assert_eq!(Stack::<u8>::open_npy_stack(&dir).unwrap().shape(), [4]);
}

#[test]
fn a_directory_with_anything_in_it_is_refused_unless_asked() {
    let folder = folder();
    let dir = folder.path().join("stack");
    save_npy_stack(&dir, &vec![1_i32, 2, 3, 4, 5], 0, 1).unwrap();
    fs::write(dir.join("notes.txt"), "keep").unwrap();
    fs::write(dir.join("007.npy"), "keep too").unwrap();
    let before = content(&dir);
    let refused = |result: mmap_array::Result<()>| {
        let error = result.unwrap_err();
        assert!(
            matches!(&error, Error::AlreadyExists { path } if path.ends_with("stack")),
            "{error:?}"
        );
        assert!(content(&dir) == before);
    };
    refused(save_npy_stack(&dir, &vec![7_i32; 4], 0, 2));
    refused(Stack::<i32>::create_npy_stack(&dir, [4], 0, 2).map(drop));

    let overwrite = StackOptions::new().overwrite(true);
    overwrite.save_npy_stack(&dir, &vec![7_i32; 4], 0, 2).unwrap();
    assert_eq!(names(&dir), ["0.npy", "007.npy", "1.npy", "info", "notes.txt"]);
    assert_eq!(Stack::<i32>::open_npy_stack(&dir).unwrap().read().unwrap().as_slice(), [7; 4]);

    // The old one stays until the new one is published.
    let stack = overwrite.create_npy_stack::<i32>(&dir, [3], 0, 3).unwrap();
    assert_eq!(Stack::<i32>::open_npy_stack(&dir).unwrap().read().unwrap().as_slice(), [7; 4]);
    stack.close().unwrap();
    assert_eq!(names(&dir), ["0.npy", "007.npy", "info", "notes.txt"]);
    assert_eq!(Stack::<i32>::open_npy_stack(&dir).unwrap().read().unwrap().as_slice(), [0; 3]);
}

#[test]
fn a_stack_of_which_somebody_holds_a_file_is_not_overwritten() {
    let folder = folder();
    let dir = folder.path().join("stack");
    save_npy_stack(&dir, &vec![1_i32, 2, 3, 4, 5], 0, 1).unwrap();
    let before = content(&dir);
    let overwrite = StackOptions::new().overwrite(true);
    // One that would be replaced, and one that would be removed.
    for held in ["1.npy", "4.npy"] {
        let _held = NpyFile::<i32>::open_mut(dir.join(held)).unwrap();
        for error in [
            overwrite.save_npy_stack(&dir, &vec![7_i32; 4], 0, 2).unwrap_err(),
            overwrite.create_npy_stack::<i32>(&dir, [4], 0, 2).unwrap_err(),
        ] {
            assert!(
                matches!(&error, Error::AlreadyOpen { path, .. } if path.ends_with(held)),
                "{error}"
            );
        }
        assert_eq!(names(&dir), before.keys().cloned().collect::<Vec<_>>());
    }
    assert!(content(&dir) == before);
}

#[test]
fn bad_input_changes_no_byte() {
    let folder = folder();
    let dir = folder.path().join("stack");
    save_npy_stack(&dir, Array::from_vec([4, 2], vec![1_i32; 8]).unwrap().view(), 0, 2).unwrap();
    let before = content(&dir);
    let stack = Stack::<i32>::open_npy_stack_mut(&dir).unwrap();
    let bad = [
        stack.write_window([0..4, 0..2], &[7; 7]).unwrap_err(),
        stack.write_window([0..5, 0..2], &[7; 10]).unwrap_err(),
        stack.write_window(0..4, &[7; 4]).unwrap_err(),
        stack.write_slice(s![1..3], &[7, 7]).unwrap_err(),
        stack.write_slice(s![.., 2], &[7; 4]).unwrap_err(),
        Stack::<i32>::create_npy_stack(&dir, [4, 2], 2, 2).unwrap_err(),
        Stack::<i32>::create_npy_stack(&dir, [4, 2], 0, 0).unwrap_err(),
        Stack::<i32>::create_npy_stack(&dir, [100, 2], 0, 1).unwrap_err(),
        save_npy_stack(&dir, &vec![0_u8; 3], 1, 1).unwrap_err(),
    ];
    let kinds = bad.each_ref().map(|error| match error {
        Error::LenMismatch { .. } => 'l',
        Error::OutOfBounds { .. } => 'o',
        Error::RankMismatch { .. } => 'r',
        Error::ShapeMismatch { .. } => 's',
        Error::InvalidAxis { .. } => 'a',
        Error::InvalidOption { option: "max_open", .. } => 'm',
        other => panic!("{other:?}"),
    });
    assert_eq!(kinds.iter().collect::<String>(), "lorsoaama");
    drop(stack);
    assert!(content(&dir) == before);
}

#[test]
#[cfg(target_pointer_width = "64")]
fn what_cannot_be_created_leaves_nothing() {
    let folder = folder();
    let dir = folder.path().join("stack");
    let too_large = [1 << 40, 1 << 20];
    for result in [
        Stack::<f64>::create_npy_stack(&dir, too_large, 0, 1 << 39).map(drop),
        Stack::<f64>::create_npy_stack(folder.path().join("no/stack"), [1], 0, 1).map(drop),
    ] {
        result.unwrap_err();
        assert!(!dir.exists());
    }
    let empty = Array::from_vec([1 << 40, 0], Vec::<u8>::new()).unwrap();
    let error = save_npy_stack(&dir, &empty, 0, 1).unwrap_err();
    assert!(matches!(error, Error::InvalidAxis { axis: 0, .. }), "{error}");
    fs::write(&dir, "a file").unwrap();
    assert!(save_npy_stack(&dir, &vec![1], 0, 1).is_err());
    assert_eq!(fs::read(&dir).unwrap(), b"a file");
}

#[test]
fn a_stack_to_be_written_locks_every_file_until_it_is_closed() {
    let folder = folder();
    let paths: Vec<_> = (0..3).map(|file| folder.path().join(format!("{file}.npy"))).collect();
    paths.iter().for_each(|path| save(path, &vec![1_i32, 2]).unwrap());
    let stack = Stack::<i32>::open_mut(&paths, 0).unwrap();
    for path in &paths {
        assert!(matches!(NpyFile::<i32>::open_mut(path), Err(Error::AlreadyOpen { .. })));
    }
    stack.write_slice(s![1..5;-1], &[5, 6, 7, 8]).unwrap();
    stack.close().unwrap();
    NpyFile::<i32>::open_mut(&paths[0]).unwrap();
    let found = Stack::<i32>::open(&paths, 0).unwrap().read().unwrap();
    assert_eq!(found.as_slice(), [1, 8, 7, 6, 5, 2]);

    let held = NpyFile::<i32>::open_mut(&paths[1]).unwrap();
    let error = Stack::<i32>::open_mut(&paths, 0).unwrap_err();
    assert!(
        matches!(&error, Error::AlreadyOpen { path, .. } if path.ends_with("1.npy")),
        "{error:?}"
    );
    drop(held);
    let twice = Stack::<i32>::open_mut([&paths[0], &paths[0]], 0).unwrap_err();
    assert!(matches!(twice, Error::AlreadyOpen { .. }), "{twice}");
    let few = StackOptions::new().max_open(2).open_mut::<i32>(&paths, 0).unwrap_err();
    assert!(matches!(few, Error::InvalidOption { option: "max_open", found: 2, .. }), "{few}");
}

#[test]
fn threads_fill_one_stack_across_its_files() {
    let folder = folder();
    let dir = folder.path().join("stack");
    let fortran = StackOptions::new().files(OpenOptions::new().order(Order::Fortran));
    let stack = fortran.create_npy_stack::<u32>(&dir, [40, 3], 0, 7).unwrap();
    std::thread::scope(|scope| {
        for block in stack.tiles([4, 3]).unwrap() {
            let stack = &stack;
            scope.spawn(move || {
                let rows = block.start()[0] as u32..;
                let elements: Vec<u32> = rows.take(block.shape()[0]).flat_map(|r| [r; 3]).collect();
                stack.write_window(block, &elements).unwrap();
            });
        }
    });
    stack.close().unwrap();
    let stack = Stack::<u32>::open_npy_stack(&dir).unwrap();
    assert!(stack.read_slice(s![.., 2]).unwrap().iter().copied().eq(0..40));
    assert_eq!(NpyFile::<u32>::open(dir.join("3.npy")).unwrap().order(), Order::Fortran);
}

#[test]
fn files_that_are_not_what_info_says_are_named() {
    let folder = folder();
    let dir = folder.path().join("stack");
    save_npy_stack(&dir, Array::from_vec([4, 2], vec![1_i32; 8]).unwrap().view(), 0, 2).unwrap();
    let dtype = mmap_array::DType::of::<i32>();
    for (shape, lens, says) in [
        (
            [5, 2],
            [3, 2],
            "0.npy\" does not fit its stack: it has '<i4' and shape [2, 2], not '<i4'",
        ),
        ([5, 2], [2, 3], "1.npy\" does not fit its stack"),
        ([4, 3], [2, 2], "0.npy\" does not fit its stack"),
    ] {
        let info = StackInfo::new(shape, 0, lens).unwrap();
        fs::write(dir.join("info"), info.to_bytes(&dtype).unwrap()).unwrap();
        let error = Stack::<i32>::open_npy_stack(&dir).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.to_string().ends_with("as `info` says"), "{error}");
    }
    let info = StackInfo::new([6, 2], 0, [2, 2, 2]).unwrap();
    fs::write(dir.join("info"), info.to_bytes(&dtype).unwrap()).unwrap();
    let error = Stack::<i32>::open_npy_stack(&dir).unwrap_err();
    assert!(matches!(&error, Error::Io { path, .. } if path.ends_with("2.npy")), "{error:?}");
}

#[test]
fn overwriting_a_stack_leaves_files_alone_that_are_not_its_own() {
    let folder = folder();
    let dir = folder.path().join("years");
    fs::create_dir(&dir).unwrap();
    for name in ["1999.npy", "2000.npy", "notes.txt"] {
        fs::write(dir.join(name), name).unwrap();
    }
    let elements = [1, 2, 3, 4];
    let overwrite = StackOptions::new().overwrite(true);
    overwrite.save_npy_stack(&dir, &elements, 0, 1).unwrap();
    overwrite.save_npy_stack(&dir, &elements, 0, 2).unwrap();
    assert!(!dir.join("2.npy").exists() && !dir.join("3.npy").exists());
    for name in ["1999.npy", "2000.npy", "notes.txt"] {
        assert_eq!(fs::read_to_string(dir.join(name)).unwrap(), name);
    }
    assert_eq!(Stack::<i32>::open_npy_stack(&dir).unwrap().read().unwrap().as_slice(), elements);
}

#[test]
fn options_that_no_file_can_have_cost_no_old_stack_and_raw_has_no_say() {
    let folder = folder();
    let dir = folder.path().join("stack");
    save_npy_stack(&dir, &[1, 2, 3], 0, 1).unwrap();
    let overwrite = StackOptions::new().overwrite(true);
    let odd = overwrite.clone().files(OpenOptions::new().align_data(3));
    let error = odd.save_npy_stack(&dir, &[4, 5], 0, 1).unwrap_err();
    assert!(matches!(error, Error::InvalidOption { option: "align_data", .. }), "{error:?}");
    assert_eq!(Stack::<i32>::open_npy_stack(&dir).unwrap().read().unwrap().as_slice(), [1, 2, 3]);
    let raw = overwrite.files(OpenOptions::new().raw(mmap_array::Raw::of::<i32>([1])));
    raw.create_npy_stack::<i32>(&dir, [2], 0, 1).unwrap().close().unwrap();
    assert_eq!(Stack::<i32>::open_npy_stack(&dir).unwrap().read().unwrap().as_slice(), [0, 0]);
}
