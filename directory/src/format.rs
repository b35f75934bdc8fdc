//! The file: a header, a region for each province, an index over all of them, and a catalog that says where each is.

use crate::bytes::{Reader, put, put_bytes};
use std::ops::Range;

/// What a directory file begins with.
pub(crate) const MAGIC: &[u8; 8] = b"LGORGDIR";
/// Raised with every change of the layout, of [`crate::name::key`] or of [`crate::name::alike`]: the file is made of them.
pub(crate) const VERSION: u32 = 1;
/// How long the header is.
pub(crate) const HEADER: usize = 64;
/// How many names stand in a block, the first of them whole.
pub(crate) const BLOCK: u32 = 8;

/// What the first bytes say. All numbers are little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) imported_at: i64,
    pub(crate) length: u64,
    pub(crate) catalog: u64,
    /// CRC-32 of all after the header.
    pub(crate) checksum: u32,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER] {
        let mut out = Vec::with_capacity(HEADER);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.checksum.to_le_bytes());
        out.extend_from_slice(&self.imported_at.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.catalog.to_le_bytes());
        out.resize(HEADER - 4, 0);
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        let mut header = [0; HEADER];
        header.copy_from_slice(&out);
        header
    }

    /// The format version that a header tells; `None` where it is no header of ours.
    pub(crate) fn version(bytes: &[u8]) -> Option<u32> {
        let rest = bytes.strip_prefix(MAGIC.as_slice())?;
        Some(u32::from_le_bytes(rest.first_chunk().copied()?))
    }

    /// A header of our own version; `None` where its checksum is wrong.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEADER)?;
        let eight = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
        let four = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
        let whole = four(HEADER - 4)? == crc32fast::hash(&bytes[..HEADER - 4]);
        whole.then_some(Self {
            checksum: four(12)?,
            imported_at: eight(16)?.cast_signed(),
            length: eight(24)?,
            catalog: eight(32)?,
        })
    }
}

/// Where a province's arrays stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) code: String,
    /// When its list was imported, in milliseconds since 1970.
    pub(crate) imported_at: i64,
    pub(crate) first_row: u32,
    pub(crate) rows: u32,
    /// Where each block of keys begins, four bytes each.
    pub(crate) key_places: Range<usize>,
    pub(crate) keys: Range<usize>,
    /// Likewise for identifiers and the like.
    pub(crate) fact_places: Range<usize>,
    pub(crate) facts: Range<usize>,
    /// The pairs of characters in order, four bytes each.
    pub(crate) pairs: Range<usize>,
    /// Where each pair's rows begin, four bytes each, and one more.
    pub(crate) pair_places: Range<usize>,
    pub(crate) postings: Range<usize>,
    /// A byte for each row: which comes first among the results of a search.
    pub(crate) order: Range<usize>,
}

impl Region {
    /// Sets where the arrays are, in the order of the fields.
    pub(crate) fn set(&mut self, ranges: Vec<Range<usize>>) {
        for (part, range) in self.ranges().into_iter().zip(ranges) {
            *part = range;
        }
    }

    fn ranges(&mut self) -> [&mut Range<usize>; 8] {
        [
            &mut self.key_places,
            &mut self.keys,
            &mut self.fact_places,
            &mut self.facts,
            &mut self.pairs,
            &mut self.pair_places,
            &mut self.postings,
            &mut self.order,
        ]
    }
}

/// Where everything is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Catalog {
    pub(crate) regions: Vec<Region>,
    pub(crate) kinds: Vec<String>,
    /// How many bits of a hash choose a bucket.
    pub(crate) bucket_bits: u32,
    /// Where each bucket begins, four bytes each, and one more.
    pub(crate) buckets: Range<usize>,
    /// Rows by the hash of what they are alike to, four bytes each.
    pub(crate) bucket_rows: Range<usize>,
    /// Two bytes of each row's hash.
    pub(crate) bucket_tags: Range<usize>,
}

impl Catalog {
    pub(crate) fn rows(&self) -> u32 {
        self.regions.last().map_or(0, |region| region.first_row + region.rows)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let range = |out: &mut Vec<u8>, range: &Range<usize>| {
            put(out, range.start as u64);
            put(out, range.len() as u64);
        };
        put(&mut out, self.kinds.len() as u64);
        for kind in &self.kinds {
            put_bytes(&mut out, kind.as_bytes());
        }
        put(&mut out, u64::from(self.bucket_bits));
        for part in [&self.buckets, &self.bucket_rows, &self.bucket_tags] {
            range(&mut out, part);
        }
        put(&mut out, self.regions.len() as u64);
        for region in &self.regions {
            put_bytes(&mut out, region.code.as_bytes());
            put(&mut out, region.imported_at.cast_unsigned());
            put(&mut out, u64::from(region.rows));
            for part in region.clone().ranges() {
                range(&mut out, part);
            }
        }
        out
    }

    /// A catalog whose parts all lie within the first `length` bytes.
    pub(crate) fn decode(bytes: &[u8], length: usize) -> Option<Self> {
        let mut reader = Reader(bytes);
        let range = |reader: &mut Reader<'_>| {
            let start = reader.length()?;
            let end = start.checked_add(reader.length()?)?;
            (end <= length).then_some(start..end)
        };
        let mut catalog = Self::default();
        for _ in 0..reader.length()? {
            catalog.kinds.push(reader.text()?.to_owned());
        }
        catalog.bucket_bits = u32::try_from(reader.number()?).ok().filter(|bits| *bits <= 32)?;
        catalog.buckets = range(&mut reader)?;
        catalog.bucket_rows = range(&mut reader)?;
        catalog.bucket_tags = range(&mut reader)?;
        for _ in 0..reader.length()? {
            let mut region = Region { code: reader.text()?.to_owned(), ..Region::default() };
            region.imported_at = reader.number()?.cast_signed();
            region.first_row = catalog.rows();
            region.rows = u32::try_from(reader.number()?).ok()?;
            region.first_row.checked_add(region.rows)?;
            for part in region.ranges() {
                *part = range(&mut reader)?;
            }
            let blocks = region.rows.div_ceil(BLOCK) as usize;
            let fits = region.key_places.len() == blocks * 4
                && region.fact_places.len() == blocks * 4
                && region.order.len() == region.rows as usize
                && region.pair_places.len() == region.pairs.len() + 4;
            if !fits {
                return None;
            }
            catalog.regions.push(region);
        }
        reader.0.is_empty().then_some(catalog)
    }
}
