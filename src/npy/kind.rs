//! The words that describe an element type: its family, byte order and unit of time.

/// The families of element types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// One byte, `0` or `1`.
    Bool,
    /// Signed integers.
    Int,
    /// Unsigned integers.
    UInt,
    /// Floating-point numbers.
    Float,
    /// Complex numbers: two floats.
    Complex,
    /// Byte strings of a fixed length, NumPy's `S`.
    Bytes,
    /// Text of a fixed length in UTF-32, NumPy's `U`.
    Unicode,
    /// Bytes without a meaning, NumPy's `V`.
    Void,
    /// Points in time, counted in 64 bits.
    DateTime,
    /// Spans of time, counted in 64 bits.
    TimeDelta,
    /// Named fields, one after the other.
    Struct,
    /// A small array of another type.
    SubArray,
    /// Python objects. They are pickled in files, and never read.
    Object,
}

/// In which order the bytes of a number stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// The least significant byte first: `<`.
    Little,
    /// The most significant byte first: `>`.
    Big,
    /// Nothing to order: single bytes, byte strings, void.
    NotApplicable,
    /// A struct with parts of both orders.
    Mixed,
}

impl ByteOrder {
    /// The order of this machine.
    pub const NATIVE: ByteOrder =
        if cfg!(target_endian = "little") { ByteOrder::Little } else { ByteOrder::Big };

    /// The order of two parts together.
    pub(super) fn and(self, other: ByteOrder) -> ByteOrder {
        match (self, other) {
            (ByteOrder::NotApplicable, order) | (order, ByteOrder::NotApplicable) => order,
            (one, two) if one == two => one,
            _ => ByteOrder::Mixed,
        }
    }
}

/// What dates and spans of time are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum TimeUnit {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
    Picosecond,
    Femtosecond,
    Attosecond,
    /// No unit at all.
    Generic,
}

impl TimeUnit {
    /// From the longest to the shortest.
    pub(super) const ALL: [TimeUnit; 14] = [
        TimeUnit::Year,
        TimeUnit::Month,
        TimeUnit::Week,
        TimeUnit::Day,
        TimeUnit::Hour,
        TimeUnit::Minute,
        TimeUnit::Second,
        TimeUnit::Millisecond,
        TimeUnit::Microsecond,
        TimeUnit::Nanosecond,
        TimeUnit::Picosecond,
        TimeUnit::Femtosecond,
        TimeUnit::Attosecond,
        TimeUnit::Generic,
    ];

    /// NumPy's word: `ns`, `D`, `generic`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            TimeUnit::Year => "Y",
            TimeUnit::Month => "M",
            TimeUnit::Week => "W",
            TimeUnit::Day => "D",
            TimeUnit::Hour => "h",
            TimeUnit::Minute => "m",
            TimeUnit::Second => "s",
            TimeUnit::Millisecond => "ms",
            TimeUnit::Microsecond => "us",
            TimeUnit::Nanosecond => "ns",
            TimeUnit::Picosecond => "ps",
            TimeUnit::Femtosecond => "fs",
            TimeUnit::Attosecond => "as",
            TimeUnit::Generic => "generic",
        }
    }
}
