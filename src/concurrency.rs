//! Many readers, many writers: which of lock, guard, region and refresh is for which case.
