//! From the code or name of a type without fields to a [`DType`]: `<f4`, `M8[25s]`, `float32`.

use super::dtype::{DType, MAX_ITEM_SIZE};
use super::kind::{ByteOrder, Kind, TimeUnit};

/// A result whose error is only the problem; the caller knows the description.
pub(super) type Problem<T> = Result<T, &'static str>;

pub(super) const TOO_LARGE: &str = "an element has at most 2147483647 bytes";
pub(super) const UNKNOWN: &str = "NumPy knows no such type";
const PLATFORM: &str = "its size depends on the machine: write a type with a size, such as 'i8'";

/// The byte order at the start of `text`, and what stands after it.
pub(super) fn order(text: &str) -> (Option<ByteOrder>, &str) {
    let order = match text.as_bytes().first() {
        Some(b'<') => ByteOrder::Little,
        Some(b'>') => ByteOrder::Big,
        // NumPy reads `|` before a number as native.
        Some(b'=' | b'|') => ByteOrder::NATIVE,
        _ => return (None, text),
    };
    (Some(order), &text[1..])
}

/// A type without fields: `<f4`, `M8[25s]`, `float32`.
pub(super) fn simple(text: &str) -> Problem<DType> {
    let (order, code) = order(text);
    ordered(order, code)
}

pub(super) fn ordered(order: Option<ByteOrder>, code: &str) -> Problem<DType> {
    let native = order.unwrap_or(ByteOrder::NATIVE);
    let Some(letter) = code.chars().next().filter(char::is_ascii) else {
        return Err(if code.is_empty() { "there is no type in it" } else { UNKNOWN });
    };
    let size = &code[1..];
    if size.is_empty() {
        return single(native, letter);
    }
    for (word, kind) in [
        ("M8", Kind::DateTime),
        ("m8", Kind::TimeDelta),
        ("datetime64", Kind::DateTime),
        ("timedelta64", Kind::TimeDelta),
    ] {
        if let Some(unit) = code.strip_prefix(word) {
            let (unit, count) =
                if unit.is_empty() { (TimeUnit::Generic, 1) } else { time_unit(unit)? };
            return Ok(DType::time(kind, native, unit, count));
        }
    }
    if size.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that does not fit is as wrong as the largest that does.
        return sized(native, letter, size.parse().unwrap_or(usize::MAX));
    }
    // Names take no byte order.
    if order.is_none() { named(code) } else { Err(UNKNOWN) }
}

/// `f4`: a letter and a size in bytes, or in characters for `U`.
fn sized(order: ByteOrder, letter: char, size: usize) -> Problem<DType> {
    let check = |kind, sizes: &[usize], problem| match sizes.contains(&size) {
        true => Ok(DType::simple(kind, order, size)),
        false => Err(problem),
    };
    let text = |kind, width: usize| match size.checked_mul(width).filter(|&s| s <= MAX_ITEM_SIZE) {
        Some(bytes) => Ok(DType::simple(kind, order, bytes)),
        None => Err(TOO_LARGE),
    };
    match letter {
        'b' => check(Kind::Bool, &[1], "booleans have 1 byte"),
        'i' => check(Kind::Int, &[1, 2, 4, 8], "integers have 1, 2, 4 or 8 bytes"),
        'u' => check(Kind::UInt, &[1, 2, 4, 8], "integers have 1, 2, 4 or 8 bytes"),
        'f' => check(Kind::Float, &[2, 4, 8, 12, 16], "floats have 2, 4, 8, 12 or 16 bytes"),
        'c' => check(Kind::Complex, &[8, 16, 24, 32], "complex numbers have 8, 16, 24 or 32 bytes"),
        'S' | 'a' => text(Kind::Bytes, 1),
        'U' => text(Kind::Unicode, 4),
        'V' => text(Kind::Void, 1),
        'M' | 'm' => Err("dates and spans of time have 8 bytes"),
        'O' if matches!(size, 4 | 8) => Ok(OBJECT),
        _ => Err(UNKNOWN),
    }
}

const OBJECT: DType = DType::simple(Kind::Object, ByteOrder::NotApplicable, 8);

/// The single letters.
fn single(order: ByteOrder, letter: char) -> Problem<DType> {
    let (kind, size) = match letter {
        '?' => (Kind::Bool, 1),
        'b' => (Kind::Int, 1),
        'h' => (Kind::Int, 2),
        'i' => (Kind::Int, 4),
        'q' => (Kind::Int, 8),
        'B' => (Kind::UInt, 1),
        'H' => (Kind::UInt, 2),
        'I' => (Kind::UInt, 4),
        'Q' => (Kind::UInt, 8),
        'e' => (Kind::Float, 2),
        'f' => (Kind::Float, 4),
        'd' => (Kind::Float, 8),
        'F' => (Kind::Complex, 8),
        'D' => (Kind::Complex, 16),
        'c' => (Kind::Bytes, 1),
        'S' | 'a' => (Kind::Bytes, 0),
        'U' => (Kind::Unicode, 0),
        'V' => (Kind::Void, 0),
        'M' => return Ok(DType::time(Kind::DateTime, order, TimeUnit::Generic, 1)),
        'm' => return Ok(DType::time(Kind::TimeDelta, order, TimeUnit::Generic, 1)),
        'O' | 'T' => return Ok(OBJECT),
        'l' | 'L' | 'n' | 'N' | 'p' | 'P' | 'g' | 'G' => return Err(PLATFORM),
        _ => return Err(UNKNOWN),
    };
    Ok(DType::simple(kind, order, size))
}

/// NumPy's and C's names.
fn named(name: &str) -> Problem<DType> {
    let (kind, size) = match name {
        "bool" | "bool_" => (Kind::Bool, 1),
        "int8" | "byte" => (Kind::Int, 1),
        "int16" | "short" => (Kind::Int, 2),
        "int32" | "intc" => (Kind::Int, 4),
        "int64" | "longlong" => (Kind::Int, 8),
        "uint8" | "ubyte" => (Kind::UInt, 1),
        "uint16" | "ushort" => (Kind::UInt, 2),
        "uint32" | "uintc" => (Kind::UInt, 4),
        "uint64" | "ulonglong" => (Kind::UInt, 8),
        "float16" | "half" => (Kind::Float, 2),
        "float32" | "single" => (Kind::Float, 4),
        "float64" | "double" | "float" => (Kind::Float, 8),
        "float96" => (Kind::Float, 12),
        "float128" => (Kind::Float, 16),
        "complex64" | "csingle" => (Kind::Complex, 8),
        "complex128" | "cdouble" | "complex" => (Kind::Complex, 16),
        "complex192" => (Kind::Complex, 24),
        "complex256" => (Kind::Complex, 32),
        "bytes" | "bytes_" => (Kind::Bytes, 0),
        "str" | "str_" | "unicode" => (Kind::Unicode, 0),
        "void" => (Kind::Void, 0),
        "object" | "object_" => return Ok(OBJECT),
        "int" | "int_" | "intp" | "uint" | "uintp" | "long" | "ulong" | "longdouble"
        | "clongdouble" => return Err(PLATFORM),
        _ => return Err(UNKNOWN),
    };
    Ok(DType::simple(kind, ByteOrder::NATIVE, size))
}

/// `[ns]`, `[25s]`, `[D/3]`.
fn time_unit(text: &str) -> Problem<(TimeUnit, u32)> {
    const BAD: &str = "a unit of time is written as [ns], [25s] or [D/3]";
    let count = |digits: &str| {
        let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|&count: &u32| all && count <= i32::MAX as u32)
    };
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).ok_or(BAD)?;
    let (number, rest) = inner.split_at(inner.bytes().take_while(u8::is_ascii_digit).count());
    let (word, divisor) = match rest.split_once('/') {
        Some((word, divisor)) => (word, Some(count(divisor).ok_or(BAD)?)),
        None => (rest, None),
    };
    let number = if number.is_empty() { 1 } else { count(number).ok_or(BAD)? };
    let word = if word == "μs" { "us" } else { word };
    let unit = TimeUnit::ALL.into_iter().find(|unit| unit.as_str() == word).ok_or(BAD)?;
    match divisor {
        None | Some(1) => Ok((unit, number)),
        Some(divisor) => divided(unit, number, divisor)
            .ok_or("its unit of time cannot be divided so: no shorter unit fits"),
    }
}

/// NumPy's way to write `[D/3]` as `[8h]`: the first shorter unit in which it comes out even.
fn divided(unit: TimeUnit, number: u32, divisor: u32) -> Option<(TimeUnit, u32)> {
    use TimeUnit::{Day, Hour, Millisecond, Minute, Month, Second, Week, Year};
    let at = TimeUnit::ALL.iter().position(|&other| other == unit)?;
    let below = |steps: usize| TimeUnit::ALL[..13].get(at + steps).copied().unwrap_or(unit);
    let shorter: &[(TimeUnit, u32)] = match unit {
        Year => &[(Month, 12), (Week, 52), (Day, 365)],
        Month => &[(Week, 4), (Day, 30), (Hour, 720)],
        Week => &[(Day, 7), (Hour, 168), (Minute, 10_080)],
        Day => &[(Hour, 24), (Minute, 1_440), (Second, 86_400)],
        Hour => &[(Minute, 60), (Second, 3_600)],
        Minute => &[(Second, 60), (Millisecond, 60_000)],
        TimeUnit::Attosecond | TimeUnit::Generic => &[],
        TimeUnit::Femtosecond => &[(below(1), 1_000)],
        _ => &[(below(1), 1_000), (below(2), 1_000_000)],
    };
    let (unit, factor) = shorter.iter().find(|(_, count)| count.checked_rem(divisor) == Some(0))?;
    let number = number.checked_mul(factor / divisor).filter(|&n| n <= i32::MAX as u32)?;
    Some((*unit, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_that_numpy_takes_means_what_numpy_means() {
        let cases = "<f4 <f4, >f8 >f8, |b1 |b1, <b1 |b1, =i1 |i1, <f2 <f2, <f12 <f12, <f16 <f16, \
            <c8 <c8, >c16 >c16, <c24 <c24, <c32 <c32, |S5 |S5, >S3 |S3, a5 |S5, <U10 <U10, >U0 >U0, \
            |V8 |V8, |V0 |V0, |S04 |S4, S2147483647 |S2147483647, >U536870911 >U536870911, \
            <i04 <i4, <M8[ns] <M8[ns], >m8[25s] >m8[25s], <M8 <M8, <M8[D/3] <M8[8h], \
            <M8[3D/3] <M8[24h], <M8[s/2] <M8[500ms], <M8[01s] <M8[s], <M8[generic] <M8, \
            <m8[2generic] <m8, <M8[D/1] <M8[D], <M8[W/7] <M8[D], <M8[fs/4] <M8[250as], \
            <M8[μs] <M8[us], ? |b1, b |i1, B |u1, >h >i2, >I >u4, >q >i8, >e >f2, >d >f8, >F >c8, \
            >D >c16, c |S1, S |S0, >M >M8, |O |O, O4 |O, |O8 |O, T |O, object |O, bool |b1, \
            int8 |i1, ubyte |u1, bytes |S0, >datetime64[ms] >M8[ms]";
        for case in cases.split(", ") {
            let (code, expected) = case.split_once(' ').unwrap();
            assert_eq!(simple(code).unwrap().to_string(), expected, "{code}");
        }
        for (code, expected) in [
            ("int16", DType::int(2)),
            ("uint64", DType::uint(8)),
            ("half", DType::float(2)),
            ("float", DType::float(8)),
            ("float128", DType::float(16)),
            ("complex64", DType::complex(8)),
            ("str", DType::unicode(0)),
            ("timedelta64[D]", DType::timedelta(TimeUnit::Day, 1)),
            ("|i4", DType::int(4)),
            ("=u2", DType::uint(2)),
            ("f8", DType::float(8)),
        ] {
            assert_eq!(simple(code), Ok(expected), "{code}");
        }
    }

    #[test]
    fn every_code_that_numpy_refuses_is_refused() {
        let cases = "|< | |<i3|<i16|<i0|<f1|<f3|<c4|<b2|<M4|<M8[xx]|<M8[|<M8[]|<M8[s]x|\
            <M8[2147483648s]|<M8[D/0]|<M8[as/2]|<M8[D/]|<M8[generic/2]|<M8[-1s]|M[s]|bfloat16|<i4 |\
            <I4|Int32|np.int32|!i4|<<i4|S-4|S+4|S4.0|S 4|S2147483648|U536870912|\
            V99999999999999999999|O3|d8|?1|k|<float64|int128|bool8|é|fé|<é4|{|f4\0";
        for code in cases.split('|').chain(["|", "<|i4"]) {
            assert!(simple(code).is_err(), "{code}");
        }
    }

    #[test]
    fn types_whose_size_depends_on_the_machine_say_so() {
        for code in "l <L n N p P g G int long int_ uintp longdouble".split(' ') {
            assert_eq!(simple(code), Err(PLATFORM), "{code}");
        }
    }
}
