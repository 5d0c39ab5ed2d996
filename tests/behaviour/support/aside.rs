//! The caller's own segment, put aside while a test runs in place.

use super::segment::Segment;

/// What was in the segment with shmcli's key. Dropping this removes what is there then, and puts it back.
pub struct Aside(Option<Saved>);

impl Aside {
    /// Puts the segment aside, if there is one.
    ///
    /// # Errors
    ///
    /// Those of [`check`].
    pub fn take() -> Result<Aside, String> {
        let Some(segment) = Segment::find() else {
            return Ok(Aside(None));
        };
        let saved = Saved::of(&segment)?;
        segment.remove();
        Ok(Aside(Some(saved)))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Some(left) = Segment::find() {
            left.remove();
        }
        if let Some(Saved { bytes, mode }) = &self.0 {
            let segment = Segment::create(bytes.len(), 0o600);
            segment.attach().write(bytes);
            segment.set_mode(*mode);
        }
    }
}

/// Tells whether the segment can be put aside, and touches nothing.
///
/// # Errors
///
/// It could not be put back as it was, or is in use: why, and what to do.
pub fn check() -> Result<(), String> {
    Segment::find().map_or(Ok(()), |segment| Saved::of(&segment).map(drop))
}

struct Saved {
    bytes: Vec<u8>,
    mode: u32,
}

impl Saved {
    fn of(segment: &Segment) -> Result<Saved, String> {
        let reason = match (segment.is_mine(), segment.attach_to_read()) {
            (Ok(false), _) => "it belongs to another user",
            (Ok(true), Ok(view)) if segment.attached() == 1 => {
                let bytes = view.bytes();
                let mode = segment.mode();
                return Ok(Saved { bytes, mode });
            }
            (Ok(true), Ok(_)) => "a process has it attached",
            _ => "this user may not read it",
        };
        Err(format!(
            "the segment with key 3148 cannot be put aside for the tests, because {reason}: end what uses it and remove it \
             (`ipcs -m -p`, `ipcrm -M 3148`), or run the tests where `unshare --ipc true` works"
        ))
    }
}
