//! Arrays that grow at their end: crashes, power cuts, full disks, readers beside the writer.

mod calls;
mod crash;
mod full;
mod kill;
mod power;
mod torn;

use std::path::Path;

use mmap_array::{Access, NpyFile};

/// The roles of children here; see `child.rs`.
pub(crate) fn play(role: &str, path: &Path) -> bool {
    match role {
        "grow" => crash::grow(path),
        "grow_mapped" => crash::grow_mapped(path),
        "truncate" => crash::truncate(path),
        "truncate_mapped" => crash::truncate_mapped(path),
        "truncate_half" => crash::truncate_half(path),
        "recover_discard" => crash::recover(path, mmap_array::Tail::Discard),
        "recover_adopt" => crash::recover(path, mmap_array::Tail::Adopt),
        "grow_on_and_on" => kill::on_and_on(path),
        "grow_on_and_on_mapped" => kill::on_and_on_mapped(path),
        "grow_and_cut" => power::grow_and_cut(path),
        "grow_and_cut_mapped" => power::grow_and_cut_mapped(path),
        "header_first" => power::header_first(path),
        "growth_calls" => calls::growth_calls(path),
        "few_maps" => calls::few_maps(path),
        "no_room_to_reserve" => calls::no_room_to_reserve(path),
        "no_room_to_grow" => calls::no_room_to_grow(path),
        _ => return false,
    }
    true
}

/// Is all to be done that takes long?
fn all_cases() -> bool {
    std::env::var_os("MMAP_ARRAY_ALL_CASES").is_some()
}

/// The elements of a row that has `len` of them.
fn row(index: usize, len: usize) -> Vec<u64> {
    (0..len).map(|column| (index * len + column) as u64 + 1).collect()
}

fn rows(indices: std::ops::Range<usize>, len: usize) -> Vec<u64> {
    indices.flat_map(|index| row(index, len)).collect()
}

/// Looks at every row of an array.
fn assert_rows<A: Access>(file: &NpyFile<u64, A>) {
    let &[count, len] = file.shape() else { panic!("a shape of {:?}", file.shape()) };
    let found = file.read().unwrap();
    for (index, found) in found.as_slice().chunks_exact(len).enumerate() {
        assert_eq!(found, row(index, len), "row {index} of {count}");
    }
}
