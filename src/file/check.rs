//! What an open file holds: its header, read in one piece, and whether all of its data is there.

use std::fs::File;
use std::path::Path;

use crate::error::{Error, Result};
use crate::npy::{self, Header};
use crate::storage;

/// Has a file, which had `file_len` bytes before its header was read, all of its data?
pub(crate) fn check_whole(file: &File, path: &Path, file_len: u64, header: &Header) -> Result<()> {
    let expected = end_of_data(header, path)?;
    if file_len >= expected {
        return Ok(());
    }
    // A file that grew meanwhile may have a header that says so already.
    let found = storage::file_len(file)
        .map_err(|error| Error::io(path, "look up the length of", 0, error))?;
    if found >= expected {
        return Ok(());
    }
    let path = path.to_path_buf();
    if header.is_raw() {
        let (offset, byte_len) = (header.data_start(), header.byte_len());
        return Err(Error::RawTooShort { path, offset, byte_len, found });
    }
    Err(Error::Truncated { path, expected, found })
}

/// Bytes of the file up to the end of the data.
pub(crate) fn end_of_data(header: &Header, path: &Path) -> Result<u64> {
    if header.is_raw() {
        // Beyond what can be counted no file is long enough, and every new one too large.
        return Ok(header.data_start().saturating_add(header.byte_len()));
    }
    let end = header.data_start().checked_add(header.byte_len());
    end.filter(|&end| end <= i64::MAX as u64).ok_or_else(|| Error::ShapeOverflow {
        path: path.to_path_buf(),
        shape: header.shape().iter().map(|&len| len as u64).collect(),
        item_size: header.dtype().item_size(),
    })
}

/// Reads the header of an open file, which had `file_len` bytes when it was opened, into a private
/// copy.
///
/// A writer that commits rows rewrites some bytes of the header, and who reads in between may see a
/// part of them: of a million opens beside a writer that does nothing else, some did. So only a
/// header that agrees with the file's length, as nearly all do, is believed at once; any other is
/// read again, once no write is half done, until two reads agree.
pub(crate) fn read_header(file: &File, path: &Path, file_len: u64, limit: usize) -> Result<Header> {
    // Nearly every header fits into this; a longer one is read again as a whole.
    let mut first = [0; 1024];
    // Asking for more than the file has would cost a second read, which finds its end.
    let wanted = file_len.min(first.len() as u64) as usize;
    let count = storage::read_at(file, path, &mut first[..wanted], 0)?;
    // After this the header is within the limit and within the file, so it fits into memory.
    let header_len = npy::prefix(&first[..count], file_len, limit as u64)
        .map_err(|error| error.with_path(path))?
        .data_start as usize;
    if let Some(bytes) = first[..count].get(..header_len)
        && let Ok(header) = Header::parse_with_limit(bytes, limit as u64)
        && end_of_data(&header, path).is_ok_and(|end| end == file_len)
    {
        return Ok(header);
    }
    let mut before = first[..count.min(header_len)].to_vec();
    let mut bytes = vec![0; header_len];
    loop {
        // Without this, both reads may fall into the instant of one write.
        storage::wait_for_write(file);
        let count = storage::read_at(file, path, &mut bytes, 0)?;
        // Twice the same is no part of anything.
        if before == bytes[..count] {
            let header = Header::parse_with_limit(&before, limit as u64);
            return header.map_err(|error| error.with_path(path));
        }
        before.clear();
        before.extend_from_slice(&bytes[..count]);
    }
}
