//! The files.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use hps_core::{Error, ErrorKind, Image, Result};
use hps_world::hpd::{TestItem, TrainItem};
use hps_world::{Captioned, Claims, Fault, Picture, SceneSpec, World};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::json;

use crate::options::Options;

/// Pictures of a folder.
const FOLDER: u64 = 1000;

/// A line of `captions.jsonl`.
#[derive(Serialize)]
struct CaptionLine {
    prompt: String,
    image: String,
    claims: Claims,
    scene: SceneSpec,
}

/// A line of `pairs.jsonl`.
#[derive(Serialize)]
struct PairLine {
    prompt: String,
    chosen: String,
    rejected: String,
    #[serde(flatten)]
    fault: Fault,
    claims: Claims,
    chosen_scene: SceneSpec,
    rejected_scene: SceneSpec,
}

/// A line of `rankings.jsonl`.
#[derive(Serialize)]
struct RankingLine {
    prompt: String,
    images: Vec<String>,
    true_ranks: Vec<u32>,
    faults: Vec<Vec<Fault>>,
    claims: Claims,
}

/// Writes everything that `options` ask for; the number of pictures.
pub fn export(options: &Options) -> Result<u64> {
    let out = &options.out;
    fs::create_dir_all(out).map_err(|error| cannot("create", out, error))?;
    let mut entries = fs::read_dir(out).map_err(|error| cannot("read", out, error))?;
    if entries.next().is_some() {
        return Err(Error::new(ErrorKind::Conflict, format!("{} is not empty", out.display()))
            .with_hint("Choose a new folder."));
    }
    let writer = Writer { options, world: World::new(options.split, options.seed) };
    let mut captions = Vec::new();
    if options.pairs > 0 {
        captions.extend(writer.pairs()?);
    }
    if options.rankings > 0 {
        writer.rankings()?;
    }
    captions.extend(writer.captioned()?);
    write_lines(&out.join("captions.jsonl"), &captions)?;
    let manifest = json!({
        "split": options.split,
        "seed": options.seed,
        "side": options.side,
        "pairs": options.pairs,
        "rankings": options.rankings,
        "k": options.k,
        "captions": options.captions,
    });
    write_json(&out.join("dataset.json"), &manifest)?;
    Ok(2 * options.pairs + options.rankings * options.k as u64 + options.captions)
}

/// Draws and writes.
struct Writer<'a> {
    options: &'a Options,
    world: World,
}

impl Writer<'_> {
    /// Writes all pairs; the captions of the pictures that fit.
    fn pairs(&self) -> Result<Vec<CaptionLine>> {
        self.folders("pairs", 2 * self.options.pairs)?;
        let written: Result<Vec<_>> =
            (0..self.options.pairs).into_par_iter().map(|index| self.pair(index)).collect();
        let (mut items, mut lines, mut captions) = (Vec::new(), Vec::new(), Vec::new());
        for (item, line, caption) in written? {
            items.push(item);
            lines.push(line);
            captions.push(caption);
        }
        write_json(&self.options.out.join("train.json"), &items)?;
        write_lines(&self.options.out.join("pairs.jsonl"), &lines)?;
        Ok(captions)
    }

    fn pair(&self, index: u64) -> Result<(TrainItem, PairLine, CaptionLine)> {
        let pair = self.world.pair(index);
        let prompt = pair.caption.text.as_str().to_owned();
        // Names say which picture is shown first, never which one is better.
        let chosen = name("pairs", 2 * index + u64::from(pair.swapped));
        let rejected = name("pairs", 2 * index + u64::from(!pair.swapped));
        self.draw(&pair.chosen, &chosen)?;
        self.draw(&pair.rejected, &rejected)?;
        let item = TrainItem::new(&prompt, chosen.clone(), rejected.clone(), pair.swapped);
        let (claims, chosen_scene) = (pair.caption.claims, pair.chosen.scene);
        let caption = CaptionLine {
            prompt: prompt.clone(),
            image: chosen.clone(),
            claims,
            scene: chosen_scene,
        };
        let rejected_scene = pair.rejected.scene;
        let fault = pair.fault;
        let line =
            PairLine { prompt, chosen, rejected, fault, claims, chosen_scene, rejected_scene };
        Ok((item, line, caption))
    }

    fn rankings(&self) -> Result<()> {
        let count = self.options.k as u64;
        self.folders("rankings", count * self.options.rankings)?;
        let written: Result<Vec<_>> =
            (0..self.options.rankings).into_par_iter().map(|index| self.ranking(index)).collect();
        let (items, lines): (Vec<_>, Vec<_>) = written?.into_iter().unzip();
        write_json(&self.options.out.join("test.json"), &items)?;
        write_lines(&self.options.out.join("rankings.jsonl"), &lines)
    }

    fn ranking(&self, index: u64) -> Result<(TestItem, RankingLine)> {
        let ranking = self.world.ranking(index, self.options.k);
        let first = index * self.options.k as u64;
        let images: Vec<String> =
            (first..).take(self.options.k).map(|number| name("rankings", number)).collect();
        for (graded, image) in ranking.pictures.iter().zip(&images) {
            self.draw(&graded.picture, image)?;
        }
        let line = RankingLine {
            prompt: ranking.caption.text.as_str().to_owned(),
            images: images.clone(),
            true_ranks: ranking.true_ranks.clone(),
            faults: ranking.pictures.iter().map(|graded| graded.faults.clone()).collect(),
            claims: ranking.caption.claims,
        };
        Ok((TestItem::new(&ranking, images), line))
    }

    fn captioned(&self) -> Result<Vec<CaptionLine>> {
        self.folders("captions", self.options.captions)?;
        let write = |index| {
            let Captioned { caption, picture } = self.world.captioned(index);
            let image = name("captions", index);
            self.draw(&picture, &image)?;
            let prompt = caption.text.as_str().to_owned();
            Ok(CaptionLine { prompt, image, claims: caption.claims, scene: picture.scene })
        };
        (0..self.options.captions).into_par_iter().map(write).collect()
    }

    fn draw(&self, picture: &Picture, name: &str) -> Result<()> {
        let path = self.options.out.join(name);
        let image = picture.render(self.options.side)?;
        write_png(&path, &image).map_err(|error| cannot("write", &path, error))
    }

    /// Creates the folders for `count` pictures.
    fn folders(&self, kind: &str, count: u64) -> Result<()> {
        for folder in 0..count.div_ceil(FOLDER) {
            let path = self.options.out.join(format!("{kind}/{folder:03}"));
            fs::create_dir_all(&path).map_err(|error| cannot("create", &path, error))?;
        }
        Ok(())
    }
}

fn name(kind: &str, number: u64) -> String {
    format!("{kind}/{:03}/{number:06}.png", number / FOLDER)
}

fn write_png(path: &Path, image: &Image) -> io::Result<()> {
    let mut encoder = png::Encoder::new(File::create(path)?, image.width(), image.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(image.as_rgb8())?;
    writer.finish()?;
    Ok(())
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    write_file(path, |file| {
        serde_json::to_writer(&mut *file, value)?;
        writeln!(file)
    })
}

fn write_lines(path: &Path, lines: &[impl Serialize]) -> Result<()> {
    write_file(path, |file| {
        for line in lines {
            serde_json::to_writer(&mut *file, line)?;
            writeln!(file)?;
        }
        Ok(())
    })
}

fn write_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        write(&mut file)?;
        file.flush()
    };
    write().map_err(|error| cannot("write", path, error))
}

fn cannot(what: &str, path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot {what} {}", path.display())).with_source(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use hps_world::judge;

    use super::*;

    fn options(out: &Path) -> Options {
        let text = format!("--out {} --pairs 30 --rankings 5 --k 6 --captions 8", out.display());
        Options::parse(text.split(' ').map(str::to_owned)).unwrap()
    }

    fn lines(path: &Path) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn picture(path: &Path) -> Image {
        let file = io::BufReader::new(File::open(path).unwrap());
        let mut reader = png::Decoder::new(file).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        Image::from_rgb8(info.width, info.height, bytes).unwrap()
    }

    #[test]
    fn a_dataset_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        assert_eq!(export(&options(out)).unwrap(), 98);
        let train: Vec<TrainItem> =
            serde_json::from_slice(&fs::read(out.join("train.json")).unwrap()).unwrap();
        for (item, line) in train.iter().zip(lines(&out.join("pairs.jsonl"))) {
            let better = usize::from(item.human_preference == [0, 1]);
            assert_eq!(item.human_preference[better], 1);
            assert_eq!(line["chosen"], item.file_path[better]);
            assert_eq!(line["rejected"], item.file_path[1 - better]);
            assert_eq!(line["prompt"], item.prompt);
            assert!(line["fault"].is_string());
        }
        let test: Vec<TestItem> =
            serde_json::from_slice(&fs::read(out.join("test.json")).unwrap()).unwrap();
        for item in &test {
            assert_eq!((item.image_path.len(), item.raw_annotations.len()), (6, 10));
            assert!(item.image_path.iter().all(|name| out.join(name).exists()));
        }
        assert_eq!((train.len(), test.len()), (30, 5));
        let captions = lines(&out.join("captions.jsonl"));
        assert_eq!(captions.len(), 38);
        for line in captions {
            let image = picture(&out.join(line["image"].as_str().unwrap()));
            let claims: Claims = serde_json::from_value(line["claims"].clone()).unwrap();
            let verdicts = judge::check(&judge::read(&image).unwrap(), &claims);
            assert!(verdicts.iter().all(|verdict| verdict.correct), "{line} {verdicts:?}");
        }
    }

    #[test]
    fn the_files_are_a_function_of_the_options() {
        let folder = tempfile::tempdir().unwrap();
        let outs = ["a", "b"].map(|name| folder.path().join(name));
        outs.iter().for_each(|out| assert_eq!(export(&options(out)).unwrap(), 98));
        for name in ["train.json", "test.json", "captions.jsonl", "pairs/000/000017.png"] {
            let [a, b] = outs.each_ref().map(|out| fs::read(out.join(name)).unwrap());
            assert_eq!(a, b, "{name}");
        }
        let error = export(&options(&outs[0])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }

    #[test]
    fn wrong_options_are_refused() {
        for text in ["", "--out", "--out a --k 9", "--out a --pairs x", "--what 1", "--split all"] {
            let arguments = text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned);
            assert!(Options::parse(arguments).is_err(), "{text}");
        }
    }
}
