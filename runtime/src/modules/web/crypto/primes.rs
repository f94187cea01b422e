//! The two primes of an RSA key, looked for in steps: one candidate at a time.
//!
//! Owns: the search, as `rsa` itself has it but for the steps (FIPS 186-5, appendix A.1.3, with the tests of
//! `crypto-primes`). Must not know: keys' usages, threads.

use crypto_primes::hazmat::{SetBits, SieveFactory, SmallFactorsSieve, SmallFactorsSieveFactory};
use crypto_primes::{Flavor, is_prime};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, RsaPrivateKey};

use super::failure::{self, CryptoError, Outcome};
use super::steps::Steps;

const NONE: CryptoError = failure::operation("no key of RSA can be made with these parameters");

/// A prime of so many bits, the upper two of them set.
struct Search {
    bits: u32,
    sieve: Option<SmallFactorsSieve<BoxedUint>>,
}

impl Search {
    fn step(&mut self) -> Outcome<Option<BoxedUint>> {
        if self.sieve.is_none() {
            let factory = SmallFactorsSieveFactory::new(Flavor::Any, self.bits, SetBits::TwoMsb);
            let sieve = factory.and_then(|mut factory| factory.make_sieve(&mut UnwrapErr(SysRng), None));
            self.sieve = sieve.map_err(|_| NONE)?;
        }
        let candidate = self.sieve.as_mut().and_then(Iterator::next);
        match candidate {
            Some(candidate) => Ok(is_prime(Flavor::Any, &candidate).then_some(candidate)),
            None => {
                self.sieve = None;
                Ok(None)
            }
        }
    }
}

/// Makes a key with a modulus of `bits` bits.
pub fn key(bits: u32, exponent: u64) -> Steps<RsaPrivateKey> {
    let mut first = None;
    let mut search = Search { bits: bits / 2, sieve: None };
    Box::new(move || {
        let prime = match search.step() {
            Ok(prime) => prime?,
            Err(failure) => return Some(Err(failure)),
        };
        let Some(p) = first.take() else {
            first = Some(prime);
            search = Search { bits: bits - bits / 2, sieve: None };
            return None;
        };
        search = Search { bits: bits / 2, sieve: None };
        // From the beginning where the two do not make such a key: equal ones, an exponent that divides.
        let key = RsaPrivateKey::from_p_q(p, prime, BoxedUint::from(exponent)).ok()?;
        (key.n().bits() == bits).then_some(Ok(key))
    })
}
