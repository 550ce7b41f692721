//! Pictures, headers and archives that tests make themselves.

use std::path::PathBuf;

use flate2::Crc;

use crate::harness::picture;

/// A picture of one colour as PPM.
pub fn plain_ppm(width: usize, height: usize, colour: [u8; 3]) -> Vec<u8> {
    let mut file = format!("P6 {width} {height} 255\n").into_bytes();
    file.extend(colour.iter().cycle().take(3 * width * height));
    file
}

/// A colour gradient as PPM; another one for each `seed`.
pub fn gradient_ppm(width: usize, height: usize, seed: usize) -> Vec<u8> {
    let mut file = format!("P6 {width} {height} 255\n").into_bytes();
    for y in 0..height {
        for x in 0..width {
            file.extend([3 * x + seed, 5 * y + 7 * seed, x + y + 11 * seed].map(|v| v as u8));
        }
    }
    file
}

/// A fully transparent picture as PNG, grey below.
pub fn transparent_png(width: u32, height: u32) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgba);
    let pixels = [90, 90, 90, 0].repeat((width * height) as usize);
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    file
}

/// Files whose headers promise 20000 × 10000 pixels, with hardly anything behind.
pub fn huge_headers() -> [(&'static str, Vec<u8>); 5] {
    let (width, height) = (20_000, 10_000);
    [
        ("huge.png", png_header(width, height)),
        ("huge.bmp", bmp_header(width, height)),
        ("huge.tiff", tiff_header(width, height)),
        ("huge.jpg", jpeg_header(20_000, 10_000)),
        ("huge.ppm", format!("P6 {width} {height} 255\n\0\0\0").into_bytes()),
    ]
}

fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut ihdr = [width.to_be_bytes(), height.to_be_bytes()].concat();
    ihdr.extend([8, 2, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [(b"IHDR", &ihdr[..]), (b"IDAT", &[0x78, 0x9c][..])] {
        let mut crc = Crc::new();
        crc.update(kind);
        crc.update(data);
        file.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        file.extend(kind);
        file.extend(data);
        file.extend(crc.sum().to_be_bytes());
    }
    file
}

fn bmp_header(width: u32, height: u32) -> Vec<u8> {
    let size = 3 * width * height;
    let mut file = b"BM".to_vec();
    for number in [size + 54, 0, 54, 40, width, height, 1 | (24 << 16), 0, size, 0, 0, 0, 0] {
        file.extend(number.to_le_bytes());
    }
    file
}

fn tiff_header(width: u32, height: u32) -> Vec<u8> {
    const LONG: u16 = 4;
    let size = 3 * width * height;
    let entries = [(256, width), (257, height), (258, 8), (259, 1), (262, 2), (273, 8), (277, 3)]
        .into_iter()
        .chain([(278, height), (279, size)]);
    let mut file = b"II\x2a\0\x08\0\0\0".to_vec();
    file.extend(9_u16.to_le_bytes());
    for (tag, value) in entries {
        file.extend(u16::to_le_bytes(tag));
        file.extend(LONG.to_le_bytes());
        file.extend(1_u32.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend([0; 4]);
    file
}

/// The frame header of a fixture with other numbers in it.
fn jpeg_header(width: u16, height: u16) -> Vec<u8> {
    let mut file = std::fs::read(picture("jpeg444.jpg")).unwrap();
    let frame = file.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    file[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    file[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    file
}

/// A zip archive of stored files, as `torch.save` writes it.
pub fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for (name, data) in files {
        let mut crc = Crc::new();
        crc.update(data);
        let size = u32::try_from(data.len()).unwrap().to_le_bytes();
        let length = u16::try_from(name.len()).unwrap().to_le_bytes();
        let start = u32::try_from(archive.len()).unwrap().to_le_bytes();
        // From the version needed to the length of the extra field.
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        common.extend([crc.sum().to_le_bytes(), size, size].concat());
        common.extend([length[0], length[1], 0, 0]);
        archive.extend([b"PK\x03\x04", &common[..], name.as_bytes(), data].concat());
        directory.extend([b"PK\x01\x02\x14\0", &common[..], &[0; 10], &start].concat());
        directory.extend(name.as_bytes());
    }
    let count = u16::try_from(files.len()).unwrap().to_le_bytes();
    let start = u32::try_from(archive.len()).unwrap().to_le_bytes();
    let size = u32::try_from(directory.len()).unwrap().to_le_bytes();
    archive.extend(directory);
    archive.extend([&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &size, &start, &[0, 0]].concat());
    archive
}

/// A safetensors file with tensors of these shapes in half precision, all zero. The
/// zeros take no room on the disk.
pub fn write_zeros(path: &PathBuf, tensors: &[(&str, &[usize])]) {
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for (name, shape) in tensors {
        let start = end;
        end += 2 * shape.iter().product::<usize>();
        let tensor =
            serde_json::json!({"dtype": "F16", "shape": shape, "data_offsets": [start, end]});
        header.insert((*name).to_owned(), tensor);
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(&header);
    std::fs::write(path, &bytes).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len((bytes.len() + end) as u64).unwrap();
}
