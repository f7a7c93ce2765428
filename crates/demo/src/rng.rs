//! Randomness that is the same everywhere and for good.

/// SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014): a named algorithm, so a seed gives the same
/// data in every version of this crate. The standard generator of the `rand` crate does not promise that. Not for secrets.
#[derive(Debug, Clone)]
pub struct SplitMix64(u64);

const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl SplitMix64 {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The stream of a seed for one purpose; streams of different keys do not run into each other.
    pub fn keyed(seed: u64, key: u64) -> Self {
        Self(mix(seed ^ mix(key.wrapping_add(GAMMA))))
    }

    /// The stream of a seed for a purpose with a name.
    pub fn named(seed: u64, name: &str) -> Self {
        // FNV-1a.
        Self::keyed(seed, name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)))
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// A number below `n`; zero when `n` is.
    pub fn below(&mut self, n: u64) -> u64 {
        u64::try_from((u128::from(self.next_u64()) * u128::from(n)) >> 64).unwrap_or_default()
    }

    /// An index of a list of this length.
    pub fn index(&mut self, length: usize) -> usize {
        u64::try_from(length).ok().and_then(|n| usize::try_from(self.below(n)).ok()).unwrap_or_default()
    }

    /// One of a list; the default value when it is empty.
    pub fn one<T: Copy + Default>(&mut self, list: &[T]) -> T {
        list.get(self.index(list.len())).copied().unwrap_or_default()
    }

    /// True in so many cases of a million.
    pub fn hit(&mut self, per_million: u32) -> bool {
        self.below(1_000_000) < u64::from(per_million)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sequence() {
        let mut rng = SplitMix64::new(1_234_567);
        assert_eq!([(); 4].map(|()| rng.next_u64()), [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]);
    }

    #[test]
    fn numbers_stay_within_their_bounds_and_streams_apart() {
        let mut rng = SplitMix64::named(7, "x");
        let drawn: Vec<u64> = (0..1000).map(|_| rng.below(10)).collect();
        assert!((0..10).all(|n| drawn.contains(&n)) && drawn.iter().all(|n| *n < 10));
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.one::<u64>(&[]), 0);
        assert!(!rng.hit(0) && rng.hit(1_000_000));
        assert_ne!(SplitMix64::keyed(1, 1).next_u64(), SplitMix64::keyed(1, 2).next_u64());
        let mut first = SplitMix64::keyed(1, 1);
        first.next_u64();
        assert_ne!(first.next_u64(), SplitMix64::keyed(1, 2).next_u64());
    }
}
