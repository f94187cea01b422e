//! Users and groups by name.
//!
//! Owns: the reading of passwd(5) and group(5). Must not know: who asks. The C library would ask NSS as well, which a
//! static binary cannot: who has users elsewhere gives their numbers.

use std::path::Path;

/// The number of the user or group `name` in `file`; `name` may be the number.
///
/// # Errors
/// What there is not.
pub fn id(file: &Path, name: &str) -> Result<u32, String> {
    // The last number means "leave it" to chown(2).
    if let Ok(id) = name.parse::<u32>() {
        return if id < u32::MAX { Ok(id) } else { Err("the number is none of a user's".into()) };
    }
    let text = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let text = String::from_utf8_lossy(&text);
    let mut rows = text.lines().map(|line| line.split(':'));
    let found =
        rows.find_map(|mut row| (row.next() == Some(name)).then(|| row.nth(1)?.parse().ok()).flatten());
    found.filter(|_| !name.is_empty()).ok_or_else(|| format!("it is not in {}", file.display()))
}

/// User and group of `user`, a name or a number; its own group where none is named.
///
/// # Errors
/// What there is not.
pub fn account(user: &str, group: Option<&str>) -> Result<(u32, u32), String> {
    let passwd = Path::new("/etc/passwd");
    let uid = id(passwd, user)?;
    if let Some(group) = group {
        return Ok((uid, id(Path::new("/etc/group"), group)?));
    }
    let text = std::fs::read(passwd).map_err(|error| format!("/etc/passwd: {error}"))?;
    let text = String::from_utf8_lossy(&text);
    let mut rows = text.lines().map(|line| line.split(':'));
    let found =
        rows.find_map(|mut row| (row.nth(2)?.parse() == Ok(uid)).then(|| row.next()?.parse().ok()).flatten());
    found.map(|gid| (uid, gid)).ok_or_else(|| "its group is not known: give --group".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_and_a_number_is_itself() {
        let passwd = Path::new("/etc/passwd");
        assert_eq!((id(passwd, "root"), id(passwd, "12")), (Ok(0), Ok(12)));
        for name in ["", "no-such-user-here", "root:x", "-1", "4294967295"] {
            assert!(id(passwd, name).is_err(), "{name}");
        }
        assert!(id(Path::new("/nowhere"), "root").is_err());
        assert_eq!((account("root", None), account("0", Some("7"))), (Ok((0, 0)), Ok((0, 7))));
    }
}
