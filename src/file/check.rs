//! What an open file holds: its header, read in one piece, and whether all of its data is there.

use std::fs::File;
use std::path::Path;

use crate::error::{Error, Result};
use crate::npy::{self, Header};
use crate::storage;

/// The header of a file that has all the data that it promises; the one that was read, where the
/// file had `file_len` bytes before, or a newer one.
pub(crate) fn whole_header(
    file: &File,
    path: &Path,
    file_len: u64,
    mut header: Header,
) -> Result<Header> {
    loop {
        let Err(error) = check_whole(file, path, file_len, &header) else { return Ok(header) };
        if header.is_raw() {
            return Err(error);
        }
        // A writer may have cut the array since: then the header says so by now.
        let limit = Header::DEFAULT_MAX_LEN.max(header.data_start() as usize);
        let newer = read_header(file, path, len(file, path)?, limit)?;
        if newer == header {
            return Err(error);
        }
        header = newer;
    }
}

fn len(file: &File, path: &Path) -> Result<u64> {
    storage::file_len(file).map_err(|error| Error::io(path, "look up the length of", 0, error))
}

fn check_whole(file: &File, path: &Path, file_len: u64, header: &Header) -> Result<()> {
    let expected = end_of_data(header, path)?;
    if file_len >= expected {
        return Ok(());
    }
    // A file that grew meanwhile may have a header that says so already.
    let found = len(file, path)?;
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

/// How many reads in a row must agree. Of two, one run in forty of 50,000 looks at a header that
/// was rewritten without a pause saw the same part twice.
const SAME_READS: usize = 3;

/// Reads the header of an open file, which had `file_len` bytes when it was opened, into a private
/// copy.
///
/// A writer that commits rows rewrites some bytes of the header, and who reads in between may see a
/// part of them: of a million opens beside a writer that does nothing else, some did. So only a
/// header that agrees with the file's length, as nearly all do, is believed at once; any other is
/// read again, once no write is half done, until three reads agree.
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
    let mut same = 1;
    while same < SAME_READS {
        // Without this, all reads may fall into the instant of one write; and whoever has waited
        // for one write meets the next in the same instant, but for a pause.
        storage::wait_for_write(file);
        if same + 1 == SAME_READS {
            std::thread::sleep(std::time::Duration::from_micros(50));
        }
        let count = storage::read_at(file, path, &mut bytes, 0)?;
        same = if before == bytes[..count] { same + 1 } else { 1 };
        before.clear();
        before.extend_from_slice(&bytes[..count]);
    }
    let header = Header::parse_with_limit(&before, limit as u64);
    header.map_err(|error| error.with_path(path))
}
