//! Server-sent events: bytes in, frames out (HTML Living Standard §9.2.6), with a bound on what one frame may hold.

/// The longest line and the longest `data` of one frame. Ours are under 200 bytes; a longer one is a broken or a
/// hostile stream, and memory is not its to take.
pub const FRAME_BYTES: usize = 16 * 1024;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// `event`, or `message` when the stream names none.
    pub event: String,
    /// The `data` lines, joined by line feeds.
    pub data: String,
    /// The last `id` that the stream named: the cursor to come back with.
    pub id: Option<String>,
}

/// A line or frame was longer than [`FRAME_BYTES`], or not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event stream holds a frame that is too long or not UTF-8")]
pub struct BrokenStream;

/// Takes bytes as they arrive, cut anywhere.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    after_carriage_return: bool,
    past_first_line: bool,
    event: String,
    data: Option<String>,
    id: Option<String>,
}

impl Parser {
    /// A parser at the beginning of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes and hands out the frames that they complete.
    ///
    /// # Errors
    /// [`BrokenStream`]; the parser is of no use after it.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Frame>, BrokenStream> {
        let mut frames = Vec::new();
        for &byte in bytes {
            // CR, LF and CRLF all end a line; the LF of a CRLF ends nothing more.
            let half_of_pair = std::mem::take(&mut self.after_carriage_return) && byte == b'\n';
            match byte {
                b'\n' if half_of_pair => {}
                b'\n' | b'\r' => {
                    self.after_carriage_return = byte == b'\r';
                    frames.extend(self.end_line()?);
                }
                _ if self.line.len() >= FRAME_BYTES => return Err(BrokenStream),
                _ => self.line.push(byte),
            }
        }
        Ok(frames)
    }

    fn end_line(&mut self) -> Result<Option<Frame>, BrokenStream> {
        let line = std::mem::take(&mut self.line);
        let mut line = std::str::from_utf8(&line).map_err(|_| BrokenStream)?;
        if !std::mem::replace(&mut self.past_first_line, true) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            return Ok(self.dispatch());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => self.append(value)?,
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            // `retry` is ours to decide; an empty field name is a comment; unknown fields are ignored (§9.2.6).
            _ => {}
        }
        Ok(None)
    }

    fn append(&mut self, value: &str) -> Result<(), BrokenStream> {
        match &mut self.data {
            None => self.data = Some(value.to_owned()),
            Some(data) if data.len() + value.len() < FRAME_BYTES => {
                data.push('\n');
                data.push_str(value);
            }
            Some(_) => return Err(BrokenStream),
        }
        Ok(())
    }

    /// A blank line ends a frame; one without data is none.
    fn dispatch(&mut self) -> Option<Frame> {
        let event = std::mem::take(&mut self.event);
        let data = self.data.take()?;
        let event = if event.is_empty() { "message".to_owned() } else { event };
        Some(Frame { event, data, id: self.id.clone() })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
mod tests {
    use super::*;

    fn frame(event: &str, data: &str, id: Option<&str>) -> Frame {
        Frame { event: event.into(), data: data.into(), id: id.map(Into::into) }
    }

    #[test]
    fn streams_read_as_the_standard_says() {
        let table: &[(&str, &[Frame])] = &[
            ("data: a\n\n", &[frame("message", "a", None)]),
            ("\u{feff}data: a\n\n", &[frame("message", "a", None)]),
            ("data: \u{feff}a\n\n", &[frame("message", "\u{feff}a", None)]),
            ("event: heartbeat\ndata: {}\n\n", &[frame("heartbeat", "{}", None)]),
            ("event: heartbeat\r\ndata: {}\r\n\r\n", &[frame("heartbeat", "{}", None)]),
            ("event: heartbeat\rdata: {}\r\r", &[frame("heartbeat", "{}", None)]),
            ("data: one\ndata: two\n\n", &[frame("message", "one\ntwo", None)]),
            ("data:no space\n\n", &[frame("message", "no space", None)]),
            ("data:  two spaces\n\n", &[frame("message", " two spaces", None)]),
            ("data\n\n", &[frame("message", "", None)]),
            (": comment\n\n", &[]),
            ("event: alone\n\n", &[]),
            ("event: dropped\n\ndata: x\n\n", &[frame("message", "x", None)]),
            ("data: unfinished\n", &[]),
            ("unknown: y\ndata: x\nretry: 1\n\n", &[frame("message", "x", None)]),
            (
                "id: 7\ndata: x\n\ndata: y\n\nid\ndata: z\n\n",
                &[frame("message", "x", Some("7")), frame("message", "y", Some("7")), frame("message", "z", Some(""))],
            ),
            ("id: a\0b\ndata: x\n\n", &[frame("message", "x", None)]),
        ];
        for (text, frames) in table {
            assert_eq!(Parser::new().feed(text.as_bytes()).unwrap(), *frames, "{text:?} at once");
            let mut parser = Parser::new();
            let cut: Vec<Frame> = text.bytes().flat_map(|byte| parser.feed(&[byte]).unwrap()).collect();
            assert_eq!(cut, *frames, "{text:?} byte by byte");
        }
    }

    #[test]
    fn a_frame_without_end_is_refused() {
        let long = "x".repeat(FRAME_BYTES);
        assert_eq!(Parser::new().feed(format!("data: {long}").as_bytes()), Err(BrokenStream));
        let many = format!("data: {}\n", "y".repeat(1_000)).repeat(20);
        assert_eq!(Parser::new().feed(many.as_bytes()), Err(BrokenStream));
        assert_eq!(Parser::new().feed(b"data: \xff\n"), Err(BrokenStream));
    }
}
