//! Arrays that grow at their end: crashes, power cuts, full disks, readers beside the writer.

mod torn;

/// Is all to be done that takes long?
pub(crate) fn all_cases() -> bool {
    std::env::var_os("MMAP_ARRAY_ALL_CASES").is_some()
}
