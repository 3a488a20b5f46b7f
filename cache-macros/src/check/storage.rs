//! How values are stored: by which codec, how small, and closed to whom.

use syn::{Expr, Lit};

use super::{one_of, unwrapped};
use crate::args::{Given, StorageArgs};
use crate::errors::Mistakes;
use crate::model::Storage;

/// The words of each option, and what they are called in the runtime.
const CODECS: [(&str, &str); 3] = [
    ("json", "Json"),
    ("msgpack", "MessagePack"),
    ("postcard", "Postcard"),
];
const COMPRESSIONS: [(&str, &str); 3] = [("lz4", "Lz4"), ("zstd", "Zstd"), ("off", "Off")];
const SWITCH: [(&str, bool); 2] = [("on", true), ("off", false)];

pub(super) fn check(args: &StorageArgs, mistakes: &mut Mistakes) -> Storage {
    Storage {
        codec: one_of(
            args.codec.as_ref(),
            &CODECS,
            "write `codec = msgpack` for values that are smaller than JSON",
            "values would be written otherwise than is meant",
            mistakes,
        ),
        compression: one_of(
            args.compress.as_ref(),
            &COMPRESSIONS,
            "write `compress = zstd` for small values, `compress = lz4` for fast ones",
            "values would be stored otherwise than is meant",
            mistakes,
        ),
        protection: protection(args, mistakes),
        max_size: max_size(args.max_size.as_ref(), mistakes),
    }
}

/// `encrypt = on`, `sign = on`
fn protection(args: &StorageArgs, mistakes: &mut Mistakes) -> Option<&'static str> {
    let mut switch = |given: Option<&Given<Expr>>, example| {
        let danger = "what may be read or made up by others would depend on a guess";
        one_of(given, &SWITCH, example, danger, mistakes)
    };
    let encrypt = switch(args.encrypt.as_ref(), "write `encrypt = on`");
    let sign = switch(args.sign.as_ref(), "write `sign = on`");
    if let (Some(given), Some(_)) = (&args.sign, &args.encrypt) {
        mistakes.at(
            &given.word,
            "`sign` stands beside `encrypt`",
            "leave `sign` out: what is encrypted cannot be made up either",
            "read together they might mean two things, and the weaker one be meant",
        );
    }
    match (encrypt, sign) {
        (Some(true), _) => Some("Encrypted"),
        (_, Some(true)) => Some("Signed"),
        (Some(false), _) | (_, Some(false)) => Some("Off"),
        (None, None) => None,
    }
}

/// `max_size = "64KB"`, `max_size = 65536`, in bytes.
fn max_size(given: Option<&Given<Expr>>, mistakes: &mut Mistakes) -> Option<usize> {
    let given = given?;
    let size = match unwrapped(&given.value) {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) if number.suffix().is_empty() => number.base10_parse().ok(),
            Lit::Str(text) => bytes(&text.value()),
            _ => None,
        },
        _ => None,
    };
    // A number that every target can hold.
    let size = size.filter(|size: &u32| *size > 0);
    if size.is_none() {
        mistakes.at(
            &given.value,
            "`max_size` is a size above 0, and below 4 GiB",
            "write `max_size = \"64KB\"`, with B, KB, MB or GB of 1024 each, or a number of bytes",
            "values of any size would fill the store, and push others out of it",
        );
    }
    size.and_then(|size| usize::try_from(size).ok())
}

/// A size with its unit.
fn bytes(text: &str) -> Option<u32> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let factor = match unit.trim_start() {
        "B" => 1,
        "KB" | "KiB" => 1 << 10,
        "MB" | "MiB" => 1 << 20,
        "GB" | "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u32>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn a_size_has_its_unit() {
        for (text, size) in [
            ("1B", 1),
            ("64KB", 65_536),
            ("1 MiB", 1 << 20),
            ("3GB", 3 << 30),
        ] {
            assert_eq!(bytes(text), Some(size), "{text}");
        }
        for text in ["", "1", "KB", "1kb", "-1KB", "1.5MB", "4GB", "99999999999B"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
