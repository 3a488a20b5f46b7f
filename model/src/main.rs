//! Searches deeper than the tests do.
use clap::{Parser, ValueEnum};
use cache_model::*;
#[derive(Parser)]
struct Options {
    #[arg(long)] faults: Option<u8>,
    #[arg(long)] variant: Option<Variant>,
    #[arg(long)] without: Option<Safeguard>,
    #[arg(long)] callers: Option<usize>,
}
fn main() {
    let o = Options::parse();
    let variants = match (o.variant, o.without) { (Some(v), _) => vec![v], (None, Some(w)) => vec![w.variant()], _ => Variant::value_variants().to_vec() };
    for v in variants {
        let mut c = Config::new(v);
        c.faults = o.faults;
        c.without = o.without;
        if let Some(n) = o.callers { c.callers = vec![0; n]; }
        let mut last = 0;
        let p = |n: usize, t: std::time::Duration| if t.as_secs() / 10 > last { last = t.as_secs() / 10; eprintln!("{n} {t:?}") };
        let out = if o.without.is_some() { counterexample(c, p) } else { prove(c, p) };
        println!("{v:?} {:?}: {} states depth {} {:?}", o.without, out.states, out.depth, out.took);
        if let Some(t) = out.trace { println!("{} steps", t.len()); for a in t { println!("   {a:?}"); } }
    }
}
