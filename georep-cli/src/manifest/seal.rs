//! A JSON document that ends with the digest of itself.

use sha2::{Digest, Sha256};

use crate::image_file::hex;

/// What the last line of a sealed document begins with; its digest follows, and [`SEAL_END`].
pub(super) const SEAL: &[u8] = b",\n  \"sha256\": \"";

/// How a sealed document ends.
pub(super) const SEAL_END: &[u8] = b"\"\n}";

/// The document, a JSON object, with one more field at its end: the digest of all that stands
/// before it. So every byte of it can be checked at the other site, those of the domains' XML too.
pub(super) fn sealed(mut text: Vec<u8>) -> Vec<u8> {
    text.truncate(text.strip_suffix(b"\n}").map_or(text.len(), <[u8]>::len));
    let digest = hex(&Sha256::digest(&text));
    [&text, SEAL, digest.as_bytes(), SEAL_END].concat()
}

/// Whether a document is what its seal is of. One without a seal is taken as it is.
pub(super) fn is_seal_right(text: &[u8]) -> bool {
    let without_end = text.strip_suffix(SEAL_END).unwrap_or_default();
    let Some((before, digest)) = without_end.split_last_chunk::<64>() else { return true };
    match before.strip_suffix(SEAL) {
        Some(sealed) => hex(&Sha256::digest(sealed)).as_bytes() == digest,
        None => true,
    }
}
