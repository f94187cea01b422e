//! The limits that refuse a request before the app answers it.
//!
//! Owns: what the log says of each, with the flag that raises it. Must not know: who refuses.

use runtime::config::Limits;
use runtime::log::Kind;

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Bytes of a head, and of trailers: 431.
    HeaderBytes,
    /// Fields of a head, and of trailers: 431.
    HeaderFields,
    /// Bytes of a target: 414.
    TargetBytes,
    /// Bytes of a body: 413.
    BodyBytes,
    /// Time of a head: 408.
    HeaderTime,
    /// Time between two pieces of a body: 408.
    BodyTime,
}

impl Limit {
    /// The kind of its log lines.
    pub fn kind(self) -> Kind {
        match self {
            Limit::HeaderBytes => Kind::HeaderBytes,
            Limit::HeaderFields => Kind::HeaderFields,
            Limit::TargetBytes => Kind::TargetBytes,
            Limit::BodyBytes => Kind::BodyBytes,
            Limit::HeaderTime => Kind::HeaderTime,
            Limit::BodyTime => Kind::BodyTime,
        }
    }

    /// What went beyond it, and the flag that raises it.
    pub fn text(self, limits: &Limits) -> String {
        match self {
            Limit::HeaderBytes => {
                format!("the head is larger than {} (--header-max)", size(limits.header_bytes_max))
            }
            Limit::HeaderFields => {
                format!("the head has more than {} fields (--header-fields-max)", limits.header_fields_max)
            }
            Limit::TargetBytes => {
                format!("the target is longer than {} (--target-max)", size(limits.target_bytes_max))
            }
            Limit::BodyBytes => {
                format!("the body is larger than {} (--body-max)", size(limits.body_bytes_max))
            }
            Limit::HeaderTime => {
                format!("the head was not complete within {} (--header-timeout)", time(limits.header_ms_max))
            }
            Limit::BodyTime => {
                format!("the body paused for {} (--body-timeout)", time(limits.body_stall_ms_max))
            }
        }
    }
}

fn size(bytes: usize) -> String {
    match bytes {
        _ if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}

fn time(ms: u64) -> String {
    if ms >= 1_000 && ms.is_multiple_of(1_000) { format!("{} s", ms / 1_000) } else { format!("{ms} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_names_its_value_and_its_flag() {
        let limits = Limits { header_bytes_max: 1000, header_ms_max: 1500, ..Limits::default() };
        for (limit, text) in [
            (Limit::HeaderBytes, "the head is larger than 1000 bytes (--header-max)"),
            (Limit::HeaderFields, "the head has more than 100 fields (--header-fields-max)"),
            (Limit::TargetBytes, "the target is longer than 8 KiB (--target-max)"),
            (Limit::BodyBytes, "the body is larger than 1 MiB (--body-max)"),
            (Limit::HeaderTime, "the head was not complete within 1500 ms (--header-timeout)"),
            (Limit::BodyTime, "the body paused for 10 s (--body-timeout)"),
        ] {
            assert_eq!(limit.text(&limits), text);
        }
    }
}
