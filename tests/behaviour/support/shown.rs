//! How bytes read in the message of a failed test.

/// Bytes as text in quotes, long ones cut in the middle.
pub fn shown(bytes: &[u8]) -> String {
    const END: usize = 60;

    if bytes.len() <= 2 * END {
        return format!("\"{}\"", bytes.escape_ascii());
    }
    let (start, end) = (&bytes[..END], &bytes[bytes.len() - END..]);
    format!(
        "\"{} … {}\" ({} bytes)",
        start.escape_ascii(),
        end.escape_ascii(),
        bytes.len()
    )
}

/// Compares what came with what was expected of something.
#[track_caller]
pub fn expect_bytes(what: &str, came: &[u8], expected: &[u8]) {
    if came != expected {
        let first = came
            .iter()
            .zip(expected)
            .position(|(came, expected)| came != expected);
        panic!(
            "{what}\n  expected: {}\n  came:     {}\n  the first difference is at byte {}",
            shown(expected),
            shown(came),
            first.unwrap_or(came.len().min(expected.len()))
        );
    }
}
