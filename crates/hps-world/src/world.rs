//! The world's pictures, pairs and rankings by number.

use hps_core::Seed;

use crate::caption::Caption;
use crate::claims::Claims;
use crate::damage::{Damage, MAX_LEVEL};
use crate::fault::{self, Attribute, Fault};
use crate::picture::Picture;
use crate::random::{Purpose, Stream};
use crate::ranking::{self, Graded, Ranking};
use crate::scene::SceneSpec;
use crate::split::Split;

/// An endless supply of examples of one split.
///
/// Everything is a function of split, seed and number: example 7 is the same whether
/// or not example 6 was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct World {
    split: Split,
    seed: Seed,
}

/// A caption and a picture that it fits.
#[derive(Clone, Debug, PartialEq)]
pub struct Captioned {
    /// The caption.
    pub caption: Caption,
    /// A picture of which everything in the caption is true.
    pub picture: Picture,
}

/// Two pictures of one caption, one of them with one fault.
#[derive(Clone, Debug, PartialEq)]
pub struct PreferencePair {
    /// The caption.
    pub caption: Caption,
    /// The picture that fits.
    pub chosen: Picture,
    /// The same with one fault; half of the time objects stand at the same places.
    pub rejected: Picture,
    /// What is wrong with the rejected picture.
    pub fault: Fault,
    /// Whether the rejected picture is shown first; so in half of all pairs.
    pub swapped: bool,
}

impl World {
    /// The examples of `split` drawn from `seed`.
    pub fn new(split: Split, seed: Seed) -> Self {
        World { split, seed }
    }

    /// Captioned picture number `index`.
    pub fn captioned(&self, index: u64) -> Captioned {
        self.draw_captioned(&mut Stream::new(self.seed, index, Purpose::Picture))
    }

    /// Pair number `index`. The six attributes are equally often wrong; the seven kinds
    /// of damage, a missing object among them, are half as frequent each.
    pub fn pair(&self, index: u64) -> PreferencePair {
        let mut stream = Stream::new(self.seed, index, Purpose::Pair);
        let attributes = Attribute::ALL.iter().filter(|&&it| it != Attribute::Count);
        let attributes: Vec<Attribute> = attributes.copied().collect();
        let choice = stream.below(2 * attributes.len() + Damage::ALL.len() + 1);
        let wish = attributes.get(choice / 2).copied();
        let damage = choice.checked_sub(2 * attributes.len());
        loop {
            let Captioned { caption, picture: chosen } = self.draw_captioned(&mut stream);
            let mut rejected = chosen.clone();
            if stream.chance(0.5) {
                rejected.seed = stream.seed();
            }
            let fault = match (wish, damage) {
                (Some(attribute), _) => {
                    self.spoil(&mut rejected.scene, &caption.claims, attribute, &mut stream)
                }
                (None, damage) => Some(spoil_picture(&mut rejected, damage, &mut stream)),
            };
            if let Some(fault) = fault {
                let swapped = stream.chance(0.5);
                return PreferencePair { caption, chosen, rejected, fault, swapped };
            }
        }
    }

    /// Ranking number `index` of `count` pictures, taken as 2 to 8.
    pub fn ranking(&self, index: u64, count: usize) -> Ranking {
        let mut stream = Stream::new(self.seed, index, Purpose::Ranking);
        let count = count.clamp(2, 8);
        loop {
            let Captioned { caption, picture } = self.draw_captioned(&mut stream);
            if let Some(graded) = self.grades(&caption.claims, picture, count, &mut stream) {
                return ranking::judged(caption, graded, &mut stream);
            }
        }
    }

    fn draw_captioned(&self, stream: &mut Stream) -> Captioned {
        loop {
            let scene = SceneSpec::draw(stream);
            let claims = Claims::draw(scene, stream);
            if Split::of(&claims) == self.split {
                let caption = Caption::write(claims, stream);
                return Captioned { caption, picture: Picture::new(scene, stream.seed()) };
            }
        }
    }

    /// Gives `attribute` a wrong value, of a random object where there are two; `None`
    /// where the caption does not mention it, or chance found no value that is allowed.
    fn spoil(
        &self,
        scene: &mut SceneSpec,
        claims: &Claims,
        attribute: Attribute,
        stream: &mut Stream,
    ) -> Option<Fault> {
        let mut options = fault::claimed(claims);
        options.retain(|option| option.0 == attribute);
        if options.is_empty() {
            return None;
        }
        let (_, object) = stream.pick(&options);
        let mut changed = *scene;
        fault::change(&mut changed, attribute, object, stream);
        let allowed = changed.is_unambiguous() && !claims.fit(&changed) && self.may_show(&changed);
        allowed.then(|| {
            *scene = changed;
            Fault::Wrong { attribute, object }
        })
    }

    /// Held-out combinations are shown in their own split only.
    fn may_show(&self, scene: &SceneSpec) -> bool {
        self.split == Split::HeldOut || Split::of(&Claims::from(*scene)) != Split::HeldOut
    }

    /// `count` pictures, each with all faults of the one before and one more.
    fn grades(
        &self,
        claims: &Claims,
        best: Picture,
        count: usize,
        stream: &mut Stream,
    ) -> Option<Vec<Graded>> {
        let mut steps = self.steps(claims, stream);
        steps.truncate(count - 1);
        let mut graded = vec![Graded { picture: best, faults: Vec::new() }];
        for step in steps {
            let mut next = graded.last()?.clone();
            next.picture.seed = stream.seed();
            match step {
                Step::Attribute(attribute) => {
                    next.faults.push(self.spoil(
                        &mut next.picture.scene,
                        claims,
                        attribute,
                        stream,
                    )?);
                }
                Step::Damage(damage) => worsen(&mut next, damage),
            }
            graded.push(next);
        }
        Some(graded)
    }

    /// Seven or more faults in random order: four attributes at most, each once, and
    /// two kinds of damage that grow by levels.
    fn steps(&self, claims: &Claims, stream: &mut Stream) -> Vec<Step> {
        let mut attributes: Vec<Attribute> =
            fault::claimed(claims).into_iter().map(|(attribute, _)| attribute).collect();
        attributes.sort_unstable();
        attributes.dedup();
        stream.shuffle(&mut attributes);
        attributes.truncate(4);
        let mut damages = Damage::ALL.to_vec();
        stream.shuffle(&mut damages);
        // Too little light and too much of it make up for each other.
        if damages[..2].iter().all(|damage| matches!(damage, Damage::Dark | Damage::Bright)) {
            damages.remove(1);
        }
        let mut steps: Vec<Step> = attributes.into_iter().map(Step::Attribute).collect();
        for &damage in &damages[..2] {
            steps.extend((0..MAX_LEVEL).map(|_| Step::Damage(damage)));
        }
        stream.shuffle(&mut steps);
        steps
    }
}

/// What makes the next picture of a ranking worse.
#[derive(Clone, Copy)]
enum Step {
    Attribute(Attribute),
    Damage(Damage),
}

/// Adds `damage`, or one level of it.
fn worsen(graded: &mut Graded, damage: Damage) {
    match graded.picture.damages.iter_mut().find(|(known, _)| *known == damage) {
        Some((_, level)) => *level += 1,
        None => graded.picture.damages.push((damage, 1)),
    }
    graded.faults.retain(|fault| !matches!(fault, Fault::Damaged { .. }));
    let damages = graded.picture.damages.iter();
    graded.faults.extend(damages.map(|&(damage, level)| Fault::Damaged { damage, level }));
}

/// Damages the picture; the last number leaves an object out.
fn spoil_picture(picture: &mut Picture, damage: Option<usize>, stream: &mut Stream) -> Fault {
    match damage.and_then(|number| Damage::ALL.get(number).copied()) {
        Some(damage) => {
            let level = 1 + stream.below(usize::from(MAX_LEVEL)) as u8;
            picture.damages.push((damage, level));
            Fault::Damaged { damage, level }
        }
        None => {
            let object = stream.below(picture.scene.objects().count()) as u8;
            picture.missing = Some(object);
            Fault::Missing { object }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    /// Attributes in which two scenes with equally numbered objects differ.
    fn differences(a: &SceneSpec, b: &SceneSpec) -> Vec<(Attribute, Option<u8>)> {
        let mut found = Vec::new();
        let mut compare = |attribute, object, equal: bool| {
            if !equal {
                found.push((attribute, object));
            }
        };
        for (index, (a, b)) in (0..).zip(a.objects().zip(b.objects())) {
            compare(Attribute::Kind, Some(index), a.kind == b.kind);
            compare(Attribute::Colour, Some(index), a.colour == b.colour);
            compare(Attribute::Size, Some(index), a.size == b.size);
        }
        let relation = |scene: &SceneSpec| scene.second.map(|second| second.relation);
        compare(Attribute::Relation, None, relation(a) == relation(b));
        compare(Attribute::Background, None, a.background == b.background);
        compare(Attribute::Style, None, a.style == b.style);
        found
    }

    #[test]
    fn pairs_differ_in_exactly_what_is_recorded() {
        let mut seen = HashMap::new();
        let mut swapped = 0;
        for split in Split::ALL {
            let world = World::new(split, Seed(5));
            for index in 0..600 {
                let pair = world.pair(index);
                *seen.entry(pair.fault.id()).or_insert(0) += 1;
                swapped += i32::from(pair.swapped);
                assert!(pair.chosen.is_clean());
                assert!(pair.caption.claims.fit(&pair.chosen.scene), "{}", pair.caption.text);
                let differences = differences(&pair.chosen.scene, &pair.rejected.scene);
                match pair.fault {
                    Fault::Wrong { attribute, object } => {
                        assert_eq!(differences, [(attribute, object)]);
                        assert!(pair.rejected.is_clean());
                        assert!(!pair.caption.claims.fit(&pair.rejected.scene));
                    }
                    Fault::Missing { object } => {
                        assert_eq!((differences.len(), pair.rejected.missing), (0, Some(object)));
                    }
                    Fault::Damaged { damage, level } => {
                        assert_eq!(pair.rejected.damages, [(damage, level)]);
                        assert_eq!((differences.len(), pair.rejected.missing), (0, None));
                    }
                }
            }
        }
        // Five standard deviations of a binomial count.
        assert!((swapped - 900).abs() < 106, "{swapped}");
        // 1800 pairs: 189 expected of each attribute, 95 of each kind of damage.
        assert_eq!(seen.len(), 13);
        assert!(seen.values().all(|count| (50..260).contains(count)), "{seen:?}");
    }

    #[test]
    fn splits_share_neither_captions_nor_held_out_combinations() {
        let draw = |split| {
            let world = World::new(split, Seed(9));
            (0..2500).map(move |index| world.captioned(index).caption)
        };
        let texts = |split| draw(split).map(|caption| caption.text).collect::<HashSet<_>>();
        let claims = |split| draw(split).map(|it| it.claims.canonical()).collect::<HashSet<_>>();
        let train = (texts(Split::Train), claims(Split::Train));
        for split in [Split::Validation, Split::HeldOut] {
            assert!(train.0.is_disjoint(&texts(split)));
            assert!(train.1.is_disjoint(&claims(split)));
        }
        let combinations = |split| {
            let of = |it: Claims| it.objects().map(move |o| (o.kind, o.colour, it.style));
            claims(split).into_iter().flat_map(of).collect::<HashSet<_>>()
        };
        let unseen: HashSet<_> =
            combinations(Split::HeldOut).difference(&combinations(Split::Train)).copied().collect();
        let all = claims(Split::HeldOut);
        let new =
            |it: &&Claims| it.objects().any(|o| unseen.contains(&(o.kind, o.colour, it.style)));
        assert_eq!(all.iter().filter(new).count(), all.len());
    }

    #[test]
    fn worse_pictures_do_not_leak_held_out_combinations() {
        let world = World::new(Split::Train, Seed(2));
        for index in 0..500 {
            let shown = world.pair(index).rejected.scene;
            assert_ne!(Split::of(&Claims::from(shown)), Split::HeldOut);
        }
    }

    #[test]
    fn rankings_go_from_no_fault_to_many() {
        for index in 0..200 {
            let count = 4 + index as usize % 5;
            let ranking = World::new(Split::Train, Seed(1)).ranking(index, count);
            assert_eq!(ranking.pictures.len(), count);
            let harm = |graded: &Graded| -> u32 {
                let weight = |fault: &Fault| match fault {
                    Fault::Damaged { level, .. } => u32::from(*level),
                    _ => 1,
                };
                graded.faults.iter().map(weight).sum()
            };
            let has = |damage| {
                let mut damages =
                    ranking.pictures.iter().flat_map(|graded| &graded.picture.damages);
                damages.any(|(known, _)| *known == damage)
            };
            assert!(!(has(Damage::Dark) && has(Damage::Bright)), "{index}");
            let mut harms: Vec<u32> = ranking.pictures.iter().map(harm).collect();
            let ranks: Vec<u32> = harms.iter().map(|harm| harm + 1).collect();
            assert_eq!(ranking.true_ranks, ranks);
            harms.sort_unstable();
            assert_eq!(harms, (0..count as u32).collect::<Vec<_>>());
        }
    }
}
