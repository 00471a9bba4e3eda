//! Times a workload beside its limits: by Criterion one after the other, and then in turns
//! (A B A B), so that a busy machine slows all of them alike. The table of ratios comes last.

use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode};

/// What a call is named, and the call.
pub(crate) type Call<'a> = (&'a str, &'a mut dyn FnMut());

pub(crate) struct Ratios {
    criterion: Criterion,
    /// Run each call once, to see that it works: `cargo bench -- --test`, `cargo test --benches`.
    pub(crate) test: bool,
    rows: Vec<String>,
}

impl Ratios {
    pub(crate) fn new() -> Ratios {
        let criterion = Criterion::default()
            .sample_size(10)
            .warm_up_time(Duration::from_millis(200))
            .measurement_time(Duration::from_millis(500))
            .configure_from_args();
        let given = |option| std::env::args().any(|argument| argument == option);
        Ratios { criterion, test: given("--test") || !given("--bench"), rows: Vec::new() }
    }

    /// Compares the first call, ours, with each of the others, its limits. `target` is for the
    /// reader, and compares with the first limit unless it says more.
    pub(crate) fn compare(&mut self, name: &str, target: &str, calls: &mut [Call<'_>]) {
        let once = time(1, calls[0].1);
        let batch = if self.test { 1 } else { (2e-3 / once).clamp(1.0, 1e5) as u32 };
        let rounds = if self.test { 1 } else { (2.0 / once).clamp(5.0, 41.0) as u32 };
        let mut times = vec![Vec::new(); calls.len()];
        for _ in 0..rounds {
            for (times, (_, call)) in times.iter_mut().zip(calls.iter_mut()) {
                times.push(time(batch, call));
            }
        }
        times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
        let median = |call: usize| times[call][times[call].len() / 2];
        let ours = median(0);
        self.rows.push(format!("{name:<28} {:>11.3}          {target}", ours * 1e6));
        for (call, (limit, _)) in calls.iter().enumerate().skip(1) {
            let (limit_time, ratio) = (median(call), ours / median(call));
            self.rows.push(format!("  {limit:<26} {:>11.3} {ratio:>8.2}", limit_time * 1e6));
        }

        let mut group = self.criterion.benchmark_group(name);
        group.sampling_mode(if once > 1e-2 { SamplingMode::Flat } else { SamplingMode::Auto });
        for (name, call) in calls.iter_mut() {
            group.bench_function(*name, |bencher| bencher.iter(&mut **call));
        }
    }

    pub(crate) fn finish(self) {
        println!("\nworkload, below it limits     median us    ratio target (ours / limit)");
        self.rows.iter().for_each(|row| println!("{row}"));
    }
}

/// Seconds a call.
fn time(calls: u32, call: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    (0..calls).for_each(|_| call());
    start.elapsed().as_secs_f64() / f64::from(calls)
}
