//! What flags say that is added to answers: codings, types, Strict-Transport-Security.
//!
//! Owns: their forms and their defaults. Must not know: how an answer is made.

use runtime::config::{AnswerOptions, Coding, CodingLevel, Compression, TypePattern};
use runtime::error::{Error, Result};

/// What `--compress` means without a value. All browsers take gzip, and today's the other two: zstd costs least, at
/// brotli's size.
pub const CODINGS: &str = "zstd,br,gzip";
/// What `--hsts` means without a value: a year, as the lists that browsers come with want it at least.
pub const HSTS: &str = "max-age=31536000";
/// What compressing shortens. Not here are images, sounds, videos, WOFF fonts and archives: they are compressed.
pub const TYPES: &str = "text/*,+json,+xml,+yaml,application/json,application/javascript,application/x-javascript,\
     application/ecmascript,application/xml,application/wasm,application/x-ndjson,application/jsonl,\
     application/yaml,application/toml,application/sql,application/rtf,application/vnd.ms-fontobject,font/ttf,\
     font/otf,font/collection,image/bmp,image/x-icon,image/vnd.microsoft.icon,model/obj,model/stl";

/// What `--compress`, `--compress-types`, `--hsts` and `--request-id` say.
///
/// # Errors
/// `Usage`: a value is none.
pub fn options(
    compress: &str,
    types: &[String],
    hsts_value: &str,
    request_id: bool,
) -> Result<AnswerOptions> {
    Ok(AnswerOptions {
        compression: Compression {
            codings: codings(compress)?,
            types: types.iter().map(|text| type_pattern(text.trim())).collect::<Result<_>>()?,
        },
        hsts: hsts(hsts_value)?,
        request_id,
    })
}

fn codings(text: &str) -> Result<Vec<CodingLevel>> {
    let mut all: Vec<CodingLevel> = Vec::new();
    if text == "off" {
        return Ok(all);
    }
    for item in text.split(',').map(str::trim) {
        let refuse = |what: &str| {
            Error::of_flag("compress", format!("{item:?} {what}")).remedy(
                "Write codings in the order in which you like them, with their levels if you want others: \
                 zstd:3,br:4,gzip:6; or off.",
            )
        };
        let (name, level) = item.split_once(':').map_or((item, None), |(name, level)| (name, Some(level)));
        let coding = [Coding::Zstd, Coding::Brotli, Coding::Gzip].into_iter().find(|it| it.name() == name);
        let coding = coding.ok_or_else(|| refuse("is no coding"))?;
        let (least, most, usual) = coding.levels();
        let level = level.map_or(Ok(usual), str::parse).ok().filter(|level| (least..=most).contains(level));
        let level = level.ok_or_else(|| refuse(&format!("has no level from {least} to {most}")))?;
        if all.iter().any(|known| known.coding == coding) {
            return Err(refuse("is given twice"));
        }
        all.push(CodingLevel { coding, level });
    }
    Ok(all)
}

fn type_pattern(text: &str) -> Result<TypePattern> {
    let is_token = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    let found = match (text.split_once('/'), text.strip_prefix('+')) {
        (Some((kind, "*")), _) if is_token(kind) => Some(TypePattern::Within(kind.to_owned())),
        (Some((kind, rest)), _) if is_token(kind) && is_token(rest) => {
            Some(TypePattern::Exactly(text.to_owned()))
        }
        (None, Some(suffix)) if is_token(suffix) => Some(TypePattern::Suffix(suffix.to_owned())),
        _ => None,
    };
    found.ok_or_else(|| {
        Error::of_flag("compress-types", format!("{text:?} is no type"))
            .remedy("Write text/* for all of a type, application/json for one, +json for a suffix.")
    })
}

/// The value of the field as RFC 6797 section 6.1 has it, for the directives that there are.
fn hsts(text: &str) -> Result<Option<String>> {
    if text == "off" {
        return Ok(None);
    }
    let refuse = |what: &str| {
        Error::of_flag("hsts", format!("{text:?}: {what}")).remedy(
            "Write the field's value: --hsts=\"max-age=31536000; includeSubDomains; preload\", or off.",
        )
    };
    let (mut age, mut flags) = (None, Vec::new());
    for directive in text.split(';').map(str::trim) {
        match directive.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("max-age") && age.is_none() => {
                let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                age = Some(value.parse::<u64>().ok().filter(|_| digits).ok_or_else(|| refuse("no seconds"))?);
            }
            None if ["includesubdomains", "preload"].contains(&&*directive.to_ascii_lowercase())
                && !flags.contains(&directive) =>
            {
                flags.push(directive);
            }
            _ => return Err(refuse(&format!("{directive:?} is no directive, or there twice"))),
        }
    }
    let age = age.ok_or_else(|| refuse("max-age is missing"))?;
    Ok(Some(flags.iter().fold(format!("max-age={age}"), |all, flag| format!("{all}; {flag}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_have_an_order_and_levels() {
        let level = |coding, level| CodingLevel { coding, level };
        let usual = [level(Coding::Zstd, 3), level(Coding::Brotli, 4), level(Coding::Gzip, 6)];
        assert_eq!(codings(CODINGS).expect("the default"), usual);
        assert_eq!(
            codings("br:11, gzip:1").expect("levels"),
            [level(Coding::Brotli, 11), level(Coding::Gzip, 1)]
        );
        assert_eq!(codings("off").expect("off"), []);
        for bad in
            ["", "deflate", "gzip:0", "gzip:10", "zstd:20", "br:x", "gzip,gzip:2", "true", "GZIP", "gzip,"]
        {
            assert_eq!(codings(bad).expect_err(bad).flag(), Some("compress"), "{bad}");
        }
    }

    #[test]
    fn types_are_meant_by_kind_suffix_or_name() {
        let types: Vec<TypePattern> = TYPES.split(',').map(|text| type_pattern(text).expect(text)).collect();
        let is = |kind: &str| types.iter().any(|pattern| pattern.matches(kind));
        for kind in [
            "text/html",
            "TEXT/plain",
            "application/json",
            "image/svg+xml",
            "application/ld+json",
            "font/ttf",
        ] {
            assert!(is(kind), "{kind}");
        }
        for kind in [
            "image/png",
            "video/mp4",
            "application/octet-stream",
            "font/woff2",
            "textual/x",
            "application/zip",
            "json",
        ] {
            assert!(!is(kind), "{kind}");
        }
        for bad in ["", "text", "*/*", "text/", "/x", "+", "a b/c", "text/*;q=1"] {
            assert_eq!(type_pattern(bad).expect_err(bad).flag(), Some("compress-types"), "{bad}");
        }
    }

    #[test]
    fn hsts_is_a_value_of_the_field() {
        for (text, expected) in [
            ("off", None),
            (HSTS, Some("max-age=31536000")),
            ("max-age=0", Some("max-age=0")),
            ("Max-Age=5;includeSubDomains ; preload", Some("max-age=5; includeSubDomains; preload")),
        ] {
            assert_eq!(hsts(text).expect(text).as_deref(), expected);
        }
        for bad in [
            "",
            "on",
            "max-age",
            "max-age=",
            "max-age=+1",
            "max-age=1;max-age=2",
            "preload",
            "max-age=1; x",
            "max-age=1;;",
        ] {
            assert_eq!(hsts(bad).expect_err(bad).flag(), Some("hsts"), "{bad}");
        }
    }
}
