//! Several pictures of one caption, and what simulated people say about them.

use crate::caption::Caption;
use crate::fault::Fault;
use crate::hash::fnv1a;
use crate::picture::Picture;
use crate::random::Stream;

/// How many people look at each ranking, and how many there are.
const ANNOTATORS: usize = 10;
const CROWD: usize = 40;

/// Pictures of one caption, of known quality, in random order.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    /// The caption.
    pub caption: Caption,
    /// The pictures.
    pub pictures: Vec<Graded>,
    /// The rank of each picture by how much is wrong with it, from 1, without ties.
    pub true_ranks: Vec<u32>,
    /// The rank of each picture by its mean rank among annotators, from 1; equal means
    /// share the better rank.
    pub ranks: Vec<u32>,
    /// What each annotator says.
    pub annotations: Vec<Annotation>,
}

/// A picture and all that is wrong with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Graded {
    /// The picture.
    pub picture: Picture,
    /// Its faults; a worse picture has those of a better one and more, or more of them.
    pub faults: Vec<Fault>,
}

/// The opinion of one simulated person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// The rank of each picture, from 1, without ties.
    pub ranks: Vec<u32>,
    /// Who it is: 16 hexadecimal digits.
    pub user: String,
}

/// Puts pictures, given from best to worst, in random order and asks annotators.
///
/// An annotator sees the true rank plus normal noise; the careful ones have a standard
/// deviation of 0.4 ranks, the hasty ones of 1.2.
pub(crate) fn judged(caption: Caption, best_first: Vec<Graded>, stream: &mut Stream) -> Ranking {
    let mut numbered: Vec<(u32, Graded)> = (1..).zip(best_first).collect();
    stream.shuffle(&mut numbered);
    let (true_ranks, pictures): (Vec<u32>, Vec<Graded>) = numbered.into_iter().unzip();
    let mut people: Vec<usize> = (0..CROWD).collect();
    stream.shuffle(&mut people);
    let mut opinion = |person: usize| {
        let noise = 0.4 + 0.8 * person as f32 / CROWD as f32;
        let felt = |rank: &u32| *rank as f32 + noise * stream.normal();
        let felt: Vec<f32> = true_ranks.iter().map(felt).collect();
        let user = format!("{:016x}", fnv1a(format!("annotator {person}").as_bytes()));
        Annotation { ranks: ranks(&felt), user }
    };
    let annotations: Vec<Annotation> =
        people[..ANNOTATORS].iter().map(|&person| opinion(person)).collect();
    let mean = |index: usize| annotations.iter().map(|it| it.ranks[index] as f32).sum::<f32>();
    let means: Vec<f32> = (0..pictures.len()).map(mean).collect();
    Ranking { caption, pictures, true_ranks, ranks: ranks(&means), annotations }
}

/// The rank of each value from 1, smallest first; equal values share the better rank.
fn ranks(values: &[f32]) -> Vec<u32> {
    let rank = |value: &f32| 1 + values.iter().filter(|&other| other < value).count() as u32;
    values.iter().map(rank).collect()
}

#[cfg(test)]
mod tests {
    use hps_core::Seed;

    use super::*;
    use crate::split::Split;
    use crate::world::World;

    #[test]
    fn ties_share_the_better_rank() {
        assert_eq!(ranks(&[2.0, 1.0, 2.0, 0.5]), [3, 2, 3, 1]);
    }

    #[test]
    fn annotators_mostly_agree_with_the_truth_and_not_always() {
        let (mut right, mut wrong) = (0, 0);
        for index in 0..60 {
            let ranking = World::new(Split::Train, Seed(0)).ranking(index, 6);
            assert_eq!(ranking.annotations.len(), ANNOTATORS);
            for annotation in &ranking.annotations {
                for a in 0..6 {
                    for b in (0..6).filter(|&b| ranking.true_ranks[a] < ranking.true_ranks[b]) {
                        match annotation.ranks[a] < annotation.ranks[b] {
                            true => right += 1,
                            false => wrong += 1,
                        }
                    }
                }
            }
        }
        let share = right as f32 / (right + wrong) as f32;
        assert!((0.85..0.98).contains(&share), "{share}");
    }
}
