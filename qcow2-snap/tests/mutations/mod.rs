//! Images made by qemu-img, and what is changed in them. Offsets are those of
//! `docs/interop/qcow2.rst`.

use std::path::Path;

use tool_command::Tool;

/// An image that is changed.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) name: &'static str,
    /// Whether fields get all values, or only the most telling.
    thorough: bool,
    pub(crate) bytes: Vec<u8>,
}

/// One change to an image.
#[derive(Debug)]
pub(crate) struct Mutation {
    pub(crate) name: String,
    change: Change,
}

#[derive(Debug)]
enum Change {
    /// Bytes to be written at offsets, the file growing as needed.
    Write(Vec<(usize, Vec<u8>)>),
    /// The file ends here.
    Cut(usize),
}

impl Mutation {
    fn write(name: impl Into<String>, offset: usize, bytes: impl Into<Vec<u8>>) -> Self {
        Self::writes(name, vec![(offset, bytes.into())])
    }

    fn writes(name: impl Into<String>, writes: Vec<(usize, Vec<u8>)>) -> Self {
        Self { name: name.into(), change: Change::Write(writes) }
    }

    pub(crate) fn apply(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        match &self.change {
            Change::Write(writes) => {
                for (offset, new) in writes {
                    let end = offset + new.len();
                    bytes.resize(bytes.len().max(end), 0);
                    bytes[*offset..end].copy_from_slice(new);
                }
            }
            Change::Cut(length) => bytes.truncate(*length),
        }
        bytes
    }
}

/// How the bases are made: name, options of `qemu-img create`, whether they get snapshots.
const BASES: &[(&str, &[&str], bool)] = &[
    ("v3", &["-o", "compat=1.1"], true),
    ("v2", &["-o", "compat=0.10"], true),
    ("v3 without snapshots", &["-o", "compat=1.1"], false),
    ("small clusters", &["-o", "cluster_size=512"], true),
    ("zstd", &["-o", "compression_type=zstd,cluster_size=4k"], true),
    ("extended L2", &["-o", "extended_l2=on,cluster_size=16k"], true),
    ("wide refcounts", &["-o", "refcount_bits=64,cluster_size=4k"], true),
    ("narrow refcounts, lazy", &["-o", "refcount_bits=4,lazy_refcounts=on,cluster_size=4k"], true),
    ("backing file", &["-o", "cluster_size=4k", "-b", "backing.qcow2", "-F", "qcow2"], true),
    ("data file", &["-o", "data_file=data.raw,cluster_size=4k"], false),
];

/// Makes the images, in `directory`.
pub(crate) fn bases(qemu_img: &Tool, directory: &Path) -> Vec<Base> {
    let create = |path: &Path, options: &[&str]| {
        let command = qemu_img.command(["create", "-q", "-f", "qcow2"]).args(options);
        command.arg(path).arg("8M").run().unwrap();
    };
    create(&directory.join("backing.qcow2"), &[]);
    let make = |(index, &(name, options, snapshots)): (usize, &(_, &[&str], bool))| {
        let path = directory.join(format!("base-{index}.qcow2"));
        // A path in the options is relative to where qemu-img runs, in the image to the image.
        let in_directory = |option: &&str| {
            option.replace("data.raw", &directory.join("data.raw").display().to_string())
        };
        let options: Vec<_> = options.iter().map(in_directory).collect();
        create(&path, &options.iter().map(String::as_str).collect::<Vec<_>>());
        for snapshot in ["one", "snap two"].into_iter().filter(|_| snapshots) {
            qemu_img.command(["snapshot", "-c", snapshot]).arg(&path).run().unwrap();
        }
        Base { name, thorough: index < 2, bytes: std::fs::read(&path).unwrap() }
    };
    BASES.iter().enumerate().map(make).collect()
}

/// A field: name, offset, length.
type Field = (&'static str, usize, usize);

const HEADER: &[Field] = &[
    ("magic", 0, 4),
    ("version", 4, 4),
    ("backing_file_offset", 8, 8),
    ("backing_file_size", 16, 4),
    ("cluster_bits", 20, 4),
    ("size", 24, 8),
    ("crypt_method", 32, 4),
    ("l1_size", 36, 4),
    ("l1_table_offset", 40, 8),
    ("refcount_table_offset", 48, 8),
    ("refcount_table_clusters", 56, 4),
    ("nb_snapshots", 60, 4),
    ("snapshots_offset", 64, 8),
];

const HEADER_V3: &[Field] = &[
    ("incompatible_features", 72, 8),
    ("compatible_features", 80, 8),
    ("autoclear_features", 88, 8),
    ("refcount_order", 96, 4),
    ("header_length", 100, 4),
    ("compression_type", 104, 1),
    ("first extension's type", 112, 4),
    ("first extension's length", 116, 4),
];

/// From the beginning of an entry.
const SNAPSHOT: &[Field] = &[
    ("l1_table_offset", 0, 8),
    ("l1_size", 8, 4),
    ("id_str_size", 12, 2),
    ("name_size", 14, 2),
    ("date_sec", 16, 4),
    ("date_nsec", 20, 4),
    ("vm_clock_nsec", 24, 8),
    ("vm_state_size", 32, 4),
    ("extra_data_size", 36, 4),
    ("extra vm_state_size", 40, 8),
    ("extra disk_size", 48, 8),
    ("extra icount", 56, 8),
];

/// Everything that is tried on one base.
pub(crate) fn mutations(base: &Base) -> Vec<Mutation> {
    let bytes = &base.bytes;
    let cluster = 1_usize << number(bytes, 20, 4);
    let how = (cluster, base.thorough);
    let mut all = vec![Mutation::writes("nothing", Vec::new())];
    for field in HEADER {
        all.extend(fields("header", 0, field, bytes, how));
    }
    if number(bytes, 4, 4) == 3 {
        for field in HEADER_V3 {
            all.extend(fields("header", 0, field, bytes, how));
        }
        all.extend(extensions(bytes));
    }
    let snapshots = usize::try_from(number(bytes, 64, 8)).unwrap();
    if number(bytes, 60, 4) > 0 {
        for field in SNAPSHOT {
            all.extend(fields("snapshot", snapshots, field, bytes, how));
        }
        all.extend(snapshot_names(snapshots));
    }
    all.extend(cuts(bytes, snapshots, cluster));
    all
}

/// A field set to every value that may be of interest.
fn fields(
    what: &str,
    start: usize,
    &(name, offset, length): &Field,
    bytes: &[u8],
    (cluster, thorough): (usize, bool),
) -> Vec<Mutation> {
    let at = start + offset;
    let now = number(bytes, at, length);
    let max = u64::MAX >> (64 - 8 * length);
    let cluster = cluster as u64;
    let mut values = vec![0, 1, max, now.wrapping_add(1), now.wrapping_sub(1), now << 1];
    values.extend([now.wrapping_add(cluster), now.wrapping_sub(cluster), cluster]);
    if thorough {
        values.extend([2, 3, 7, 8, 16, 31, 64, 104, 512, 1024, 1025, 65_535, 65_536]);
        values.extend([max >> 1, max - 1, (max >> 1) + 1, max & !0xffff, now ^ 8]);
        values.extend([1 << 20, 1 << 40]);
    }
    values.iter_mut().for_each(|value| *value &= max);
    values.retain(|&value| value != now);
    values.sort_unstable();
    values.dedup();
    let set = |value: u64| {
        let bytes = value.to_be_bytes()[8 - length..].to_vec();
        Mutation::write(format!("{what} {name} = {value:#x}"), at, bytes)
    };
    values.into_iter().map(set).collect()
}

fn extensions(bytes: &[u8]) -> Vec<Mutation> {
    let first = usize::try_from(number(bytes, 100, 4)).unwrap();
    let extension = |name: &str, kind: u32, length: u32, data: &[u8]| {
        let bytes = [&kind.to_be_bytes()[..], &length.to_be_bytes(), data, &[0; 8]].concat();
        Mutation::write(format!("extension {name}"), first, bytes)
    };
    let bitmaps = |name: &str, fields: [u64; 3]| {
        let data: Vec<u8> = fields.iter().flat_map(|field| field.to_be_bytes()).collect();
        let extension = [&0x2385_2875_u32.to_be_bytes()[..], &24_u32.to_be_bytes(), &data, &[0; 8]];
        let writes = vec![(first, extension.concat()), (88, vec![0, 0, 0, 0, 0, 0, 0, 1])];
        Mutation::writes(format!("extension bitmaps, {name}"), writes)
    };
    vec![
        extension("unknown", 0x1234_5678, 5, b"12345\0\0\0"),
        extension("unknown, padding not zero", 0x1234_5678, 5, b"12345xxx"),
        extension("unknown, too long", 0x1234_5678, 0x7fff_ffff, b""),
        extension("end, with a length", 0, 0x7fff_ffff, b""),
        extension("backing format of 15", 0xe279_2aca, 15, b"0123456789abcde\0"),
        extension("backing format of 16", 0xe279_2aca, 16, b"0123456789abcdef"),
        extension("LUKS without LUKS", 0x0537_be77, 16, &[0; 16]),
        extension("bitmaps without their bit", 0x2385_2875, 23, &[0; 24]),
        extension("data file", 0x4441_5441, 4, b"data\0\0\0\0"),
        extension(
            "feature names",
            0x6803_f857,
            48,
            &[b"\0\x05name".to_vec(), vec![0; 42]].concat(),
        ),
        bitmaps("none", [0, 32, 0]),
        bitmaps("reserved bits", [1 << 32 | 1, 32, 0]),
        bitmaps("misaligned", [1 << 32, 32, 8]),
        bitmaps("too many", [65_536 << 32, 32, 0]),
        bitmaps("directory too large", [1 << 32, 1 << 40, 0]),
    ]
}

fn snapshot_names(table: usize) -> Vec<Mutation> {
    // Entries as qemu-img writes them: 40 bytes, 24 of extra data, id `1`, name `one`; then padding.
    let (id, second) = (table + 64, table + 72);
    vec![
        Mutation::write("snapshot id 2 twice", id, b"2".to_vec()),
        Mutation::write("snapshot name with NUL", id + 2, b"\0".to_vec()),
        Mutation::write("snapshot name of NULs", id + 1, b"\0\0\0".to_vec()),
        Mutation::write("snapshot name not UTF-8", id + 1, b"\xff".to_vec()),
        Mutation::write("snapshot name with newline", id + 1, b"\n".to_vec()),
        Mutation::write("snapshot padding not zero", id + 4, b"x".to_vec()),
        Mutation::writes(
            "snapshot name twice",
            vec![(second + 14, vec![0, 3]), (second + 65, b"one\0\0\0\0\0".to_vec())],
        ),
        Mutation::writes(
            "snapshot without id",
            vec![(table + 12, vec![0, 0]), (table + 14, vec![0, 4])],
        ),
        Mutation::write("snapshot table zeroed", table, vec![0; 144]),
        Mutation::write("first snapshot zeroed", table, vec![0; 72]),
    ]
}

/// The file ends at every boundary and beside it.
fn cuts(bytes: &[u8], snapshots: usize, cluster: usize) -> Vec<Mutation> {
    let mut boundaries: Vec<_> = HEADER.iter().chain(HEADER_V3).map(|field| field.1).collect();
    boundaries.extend(SNAPSHOT.iter().map(|field| snapshots + field.1));
    boundaries.extend([104, 112, 120, snapshots + 64, snapshots + 68, snapshots + 72]);
    boundaries.extend((0..=bytes.len() / cluster).map(|index| index * cluster).take(10));
    let beside = boundaries.iter().flat_map(|&at| [at.saturating_sub(1), at, at + 1]);
    let mut cuts: Vec<_> = beside.filter(|&at| at < bytes.len()).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let cut = |at| Mutation { name: format!("cut at {at}"), change: Change::Cut(at) };
    cuts.into_iter().map(cut).collect()
}

fn number(bytes: &[u8], offset: usize, length: usize) -> u64 {
    bytes[offset..offset + length].iter().fold(0, |value, &byte| value << 8 | u64::from(byte))
}
