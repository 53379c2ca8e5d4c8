//! Reading and writing of small binary states: little-endian numbers and counted bytes. Reading
//! never panics and never allocates more than there are bytes.

/// A state is cut short, or is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored state is damaged")]
pub struct BadState;

/// Reads from the start of some bytes.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], BadState> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(BadState)?;
        self.0 = rest;
        Ok(taken)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Result<u8, BadState> {
        Ok(self.take(1)?[0])
    }

    /// The next 4 bytes as a number.
    pub fn u32(&mut self) -> Result<u32, BadState> {
        Ok(crate::record::u32_at(self.take(4)?, 0))
    }

    /// The next 8 bytes as a number.
    pub fn u64(&mut self) -> Result<u64, BadState> {
        Ok(crate::record::u64_at(self.take(8)?, 0))
    }

    /// The next 8 bytes as a number with a sign.
    pub fn i64(&mut self) -> Result<i64, BadState> {
        Ok(i64::from_le_bytes(self.u64()?.to_le_bytes()))
    }

    /// Bytes behind their count.
    pub fn counted(&mut self) -> Result<&'a [u8], BadState> {
        let count = self.u32()?;
        self.take(count as usize)
    }

    /// A count of things of which each takes at least `each` bytes.
    pub fn count(&mut self, each: usize) -> Result<usize, BadState> {
        let count = self.u32()? as usize;
        let bytes = count.checked_mul(each).ok_or(BadState)?;
        if bytes <= self.0.len() { Ok(count) } else { Err(BadState) }
    }
}

/// Appends a number.
pub fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a number.
pub fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a number with a sign.
pub fn put_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a count, which fits 32 bits.
pub fn put_count(out: &mut Vec<u8>, count: usize) {
    put_u32(out, u32::try_from(count).expect("counts of stored things fit 32 bits"));
}

/// Sets the count at `at` to that of the bytes behind it.
pub fn count_behind(out: &mut [u8], at: usize) {
    let (before, behind) = out.split_at_mut(at + 4);
    let count = u32::try_from(behind.len()).expect("counts of stored things fit 32 bits");
    before[at..].copy_from_slice(&count.to_le_bytes());
}

/// Appends bytes behind their count.
pub fn put_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend_from_slice(bytes);
}
