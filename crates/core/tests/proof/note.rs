//! The examples in C2SP signed-note and tlog-checkpoint.

use crate::support::{json, vectors};
use counterfoil_core::audit::checkpoint::{Checkpoint, LogKey, Note, NoteError};

#[test]
fn the_examples_of_the_specification_read_and_verify() {
    let Some(folder) = vectors("c2sp-note") else { return };
    let file = json(folder.join("vectors.json"));
    let text = |pointer: &str| file.pointer(pointer).unwrap().as_str().unwrap().to_owned();

    let key: LogKey = text("/verifies/vkey").parse().unwrap();
    assert_eq!(key.to_string(), text("/verifies/vkey"));
    let note: Note = text("/verifies/note").parse().unwrap();
    assert_eq!(note.to_string(), text("/verifies/note"));
    assert_eq!(note.verify(std::slice::from_ref(&key)), Ok("This is an example message.\n"));
    let altered: Note = text("/verifies/note").replace("example message", "exemplary message").parse().unwrap();
    assert_eq!(altered.verify(std::slice::from_ref(&key)), Err(NoteError::Signature));

    for pointer in ["/checkpoint_example_parse_only", "/cosigned_checkpoint_example_parse_only"] {
        // The specification's example of a cosigned checkpoint lacks the space after a dash; a note has it.
        let note: Note = text(pointer).replace("\u{2014}witness", "\u{2014} witness").parse().unwrap();
        let checkpoint = Checkpoint::parse(note.unverified_text()).unwrap();
        assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
        assert_eq!(Checkpoint::verify(&note, std::slice::from_ref(&key)), Err(NoteError::Unsigned));
    }
}
