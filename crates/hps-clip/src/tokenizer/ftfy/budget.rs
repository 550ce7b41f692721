//! A bound on the work that repairs of one prompt may take.

/// What any prompt may cost, however short: enough for every repair of a
/// prompt of a few thousand characters, even one made to be hard.
const BASE: usize = 1 << 20;

/// How often a longer prompt may be read from start to end. Text that people
/// write takes two or three rounds.
const ROUNDS: usize = 64;

/// The bytes that may still be looked at.
///
/// Repairs follow upon each other until nothing changes, and a text can be made
/// so that each undoes only one more layer or one more character: ftfy then takes
/// time that grows with the square of the length. Once the budget is spent the
/// text is left as it is.
pub(super) struct Budget {
    left: usize,
}

impl Budget {
    /// The budget for a prompt of `bytes` bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Budget { left: BASE.saturating_add(bytes.saturating_mul(ROUNDS)) }
    }

    /// Pays for one look at `bytes` bytes; false if the budget is spent.
    #[must_use]
    pub(super) fn spend(&mut self, bytes: usize) -> bool {
        let enough = bytes <= self.left;
        self.left = self.left.saturating_sub(bytes);
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_prompts_have_rounds_and_short_ones_the_base() {
        let mut budget = Budget::new(10 * BASE);
        assert!((0..ROUNDS).all(|_| budget.spend(10 * BASE)));
        assert!(!budget.spend(10 * BASE));
        assert!(Budget::new(1).spend(BASE));
    }
}
