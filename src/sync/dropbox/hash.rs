//! Dropbox's content hash: SHA-256 over the SHA-256 of every 4 MiB
//! (<https://www.dropbox.com/developers/reference/content-hash>).

use sha2::{Digest, Sha256};

use crate::text::hex;

const BLOCK: usize = 4 << 20;

/// Hashes content that arrives in pieces of any size.
#[derive(Debug, Clone, Default)]
pub(in crate::sync) struct ContentHash {
    block: Sha256,
    in_block: usize,
    blocks: Sha256,
}

impl ContentHash {
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (head, tail) = bytes.split_at(bytes.len().min(BLOCK - self.in_block));
            self.block.update(head);
            self.in_block += head.len();
            if self.in_block == BLOCK {
                self.blocks.update(self.block.finalize_reset());
                self.in_block = 0;
            }
            bytes = tail;
        }
    }

    /// The hash in lower-case hexadecimal, as Dropbox writes it.
    pub fn finish(mut self) -> String {
        if self.in_block > 0 {
            self.blocks.update(self.block.finalize());
        }
        hex(&self.blocks.finalize())
    }

    pub fn of(bytes: impl IntoIterator<Item = impl AsRef<[u8]>>) -> String {
        let mut hash = Self::default();
        bytes.into_iter().for_each(|piece| hash.update(piece.as_ref()));
        hash.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's hashlib: `sha256(b"".join(sha256(block).digest() for each block of 4 MiB))`.
    #[test]
    fn the_hash_is_that_of_the_blocks_hashes_whatever_the_pieces() {
        let content: Vec<u8> = (0..9_000_000u32).map(|i| (i % 251) as u8).collect();
        let known = "f3c9b1fe5a25dd4cd3decf2e05cbc4bdf75551d2dfa14f45834b8c5f32b9607c";
        assert_eq!(ContentHash::of([&content]), known);
        assert_eq!(ContentHash::of(content.chunks(1_000_003)), known);
        assert_eq!(ContentHash::of([b"abc"]), "4f8b42c22dd3729b519ba6f68d2da7cc5b2d606d05daed5ad5128cc03e6c6358");
        assert_eq!(ContentHash::default().finish(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
