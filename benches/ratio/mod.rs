//! Times a workload beside its limits: in turns (A B A B), so that a busy machine slows all of
//! them alike, and by Criterion one after the other. The table of ratios comes last.

use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode};

/// What a call is named, and the call.
pub(crate) type Call<'a> = (&'a str, &'a mut dyn FnMut());

pub(crate) struct Ratios {
    criterion: Criterion,
    /// Run each call once or twice, to see that it works: `cargo bench -- --test`.
    pub(crate) test: bool,
    rows: Vec<String>,
}

impl Ratios {
    pub(crate) fn new() -> Ratios {
        let [short, long] = [200, 500].map(Duration::from_millis);
        let criterion = Criterion::default().sample_size(10).warm_up_time(short);
        let criterion = criterion.measurement_time(long).configure_from_args();
        let given = |option| std::env::args().any(|argument| argument == option);
        Ratios { criterion, test: given("--test") || !given("--bench"), rows: Vec::new() }
    }

    /// Compares the first call, ours, with its limits, the others. `target` is for the reader.
    pub(crate) fn compare(&mut self, name: &str, target: &str, calls: &mut [Call<'_>]) {
        self.compare_each_after(None, name, target, calls);
    }

    /// The same where something must be done before each call, which is not timed: letting the
    /// system forget a file, say.
    pub(crate) fn compare_each_after(
        &mut self,
        before: Option<&dyn Fn()>,
        name: &str,
        target: &str,
        calls: &mut [Call<'_>],
    ) {
        let once = time(1, before, calls[0].1);
        let alone = self.test || before.is_some();
        let batch = if alone { 1 } else { (3e-4 / once).clamp(1.0, 1e5) as u32 };
        let rounds = if self.test { 1 } else { (2.0 / once).clamp(5.0, 201.0) as u32 };
        let mut times = vec![Vec::new(); calls.len()];
        for _ in 0..rounds {
            let calls = times.iter_mut().zip(calls.iter_mut());
            calls.for_each(|(times, (_, call))| times.push(time(batch, before, call)));
        }
        times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
        let median: Vec<_> = times.iter().map(|times| times[times.len() / 2] * 1e6).collect();
        self.rows.push(format!("{name:<49} {target}"));
        let mut group = self.criterion.benchmark_group(name);
        group.sampling_mode(if once > 1e-2 { SamplingMode::Flat } else { SamplingMode::Auto });
        for ((name, call), limit) in calls.iter_mut().zip(&median) {
            self.rows.push(format!("  {name:<26} {limit:>11.3} {:>8.2}", median[0] / limit));
            group.bench_function(*name, |bencher| {
                bencher.iter_custom(|count| {
                    let each = time(count as u32, before, call);
                    Duration::from_secs_f64(each * count as f64)
                });
            });
        }
    }

    pub(crate) fn finish(self) {
        println!("\nworkload, its limits          median us    ratio target (ours / limit)");
        self.rows.iter().for_each(|row| println!("{row}"));
    }
}

/// Seconds for one call.
fn time(calls: u32, before: Option<&dyn Fn()>, call: &mut dyn FnMut()) -> f64 {
    let Some(before) = before else {
        let start = Instant::now();
        (0..calls).for_each(|_| call());
        return start.elapsed().as_secs_f64() / f64::from(calls);
    };
    let each = (0..calls).map(|_| {
        before();
        let start = Instant::now();
        call();
        start.elapsed().as_secs_f64()
    });
    each.sum::<f64>() / f64::from(calls)
}
