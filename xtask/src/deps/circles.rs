//! Circles of imports inside a crate.
//!
//! Modules form a tree. Take two siblings, modules with the same parent. One sibling uses the other if a file in it, or
//! in one of its submodules, names something defined in the other or in one of its submodules. Names that the crate's
//! root re-exports count as names of the module that defines them. A circle is a path of such uses that comes back to
//! its first sibling. A module and its own submodules may use each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;

use super::source::{Module, Names, read_crate};

/// The shortest circle among the children of each module of a crate, one line a use.
pub(super) fn find(root: &Path) -> Result<Vec<String>> {
    Ok(circles(&read_crate(root)?))
}

/// Which siblings use which, and one example of each use.
type Uses = BTreeMap<String, BTreeMap<String, String>>;

fn circles(modules: &[Module]) -> Vec<String> {
    let modules: BTreeMap<&Names, &Module> = modules.iter().map(|m| (&m.path, m)).collect();
    let mut families: BTreeMap<Names, Uses> = BTreeMap::new();
    for module in modules.values() {
        for reference in &module.references {
            let target = resolve(&modules, reference, 0);
            let shared = common(&module.path, &target);
            let (Some(from), Some(to)) = (module.path.get(shared), target.get(shared)) else {
                continue; // One is the other, or lies in it.
            };
            let uses = families.entry(target[..shared].to_vec()).or_default();
            let example = format!(
                "{} uses crate::{}",
                shown(&module.path),
                reference.join("::")
            );
            uses.entry(from.clone())
                .or_default()
                .entry(to.clone())
                .or_insert(example);
        }
    }
    families.values().filter_map(circle_of).collect()
}

/// The path of the module that defines what `names` stand for.
fn resolve(modules: &BTreeMap<&Names, &Module>, names: &[String], depth: usize) -> Names {
    const DEEPEST: usize = 16; // Two modules that import everything of each other would lead on for ever.
    let mut path = Names::new();
    for (place, name) in names.iter().enumerate() {
        path.push(name.clone());
        if modules.contains_key(&path) {
            continue;
        }
        path.pop();
        let imported = modules
            .get(&path)
            .and_then(|module| module.imports.get(name));
        return match imported {
            Some(target) if depth < DEEPEST && target[..] != names[..=place] => {
                let target = [&target[..], &names[place + 1..]].concat();
                resolve(modules, &target, depth + 1)
            }
            _ => path,
        };
    }
    path
}

fn common(one: &[String], other: &[String]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

/// A shortest circle among siblings.
fn circle_of(uses: &Uses) -> Option<String> {
    let circles = uses.keys().filter_map(|start| way_back(uses, start));
    let shortest = circles.min_by_key(Vec::len)?;
    let next = shortest.iter().cycle().skip(1);
    let lines = shortest.iter().zip(next).map(|(from, to)| {
        let example = &uses[*from][*to];
        format!("  {from} -> {to}: {example}")
    });
    Some(lines.collect::<Vec<_>>().join("\n"))
}

/// The siblings on the shortest way from `start` back to it.
fn way_back<'a>(uses: &'a Uses, start: &'a String) -> Option<Vec<&'a String>> {
    let mut seen = BTreeSet::new();
    let mut ways = vec![vec![start]];
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let last = way[way.len() - 1];
            for to in uses.get(last).into_iter().flat_map(BTreeMap::keys) {
                if to == start {
                    return Some(way);
                }
                if seen.insert(to) {
                    longer.push([&way[..], &[to]].concat());
                }
            }
        }
        ways = longer;
    }
    None
}

fn shown(path: &[String]) -> String {
    match path {
        [] => "the root".into(),
        path => path.join("::"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::read_text;
    use super::*;

    fn found(text: &str) -> Option<String> {
        circles(&read_text(text)).into_iter().next()
    }

    #[test]
    fn two_siblings_that_use_each_other() {
        let circle = found(
            "mod a { use crate::b::B; pub struct A; }
             mod b { pub struct B; fn f() -> crate::a::A { todo!() } }",
        );
        assert_eq!(
            circle.unwrap(),
            "  a -> b: a uses crate::b::B\n  b -> a: b uses crate::a::A"
        );
    }

    #[test]
    fn one_direction_is_no_circle() {
        assert_eq!(
            found(
                "mod a { use crate::b::B; } mod b { use std::fmt; pub struct B; } mod c { use super::{a, b}; }"
            ),
            None
        );
    }

    #[test]
    fn the_way_may_lead_through_submodules_and_several_siblings() {
        let circle = found(
            "mod a { pub mod deep { use crate::b::B; } }
             mod b { mod inner { use super::super::c; } }
             mod c { use crate::a::deep; }",
        );
        let circle = circle.unwrap();
        assert_eq!(circle.lines().count(), 3, "{circle}");
        assert!(
            circle.contains("a -> b: a::deep uses crate::b::B"),
            "{circle}"
        );
    }

    #[test]
    fn a_module_and_its_submodules_may_use_each_other() {
        assert_eq!(
            found(
                "mod a { mod part; pub struct A; use part::P; }"
                    .replace("mod part;", "mod part { use super::A; pub struct P; }")
                    .as_str()
            ),
            None
        );
    }

    #[test]
    fn siblings_below_a_module_count_too() {
        let text = "mod a { mod x { use super::y::Y; } mod y { use crate::a::x; } }";
        assert!(found(text).unwrap().contains("x -> y"));
    }

    #[test]
    fn re_exports_are_followed() {
        let text = "pub use error::Error; pub use grid::{Grid as Patches};
             mod error { use crate::Patches; pub enum Error {} }
             mod grid { use crate::Error; pub struct Grid; }";
        let circle = found(text).unwrap();
        assert!(
            circle.contains("error -> grid: error uses crate::Patches"),
            "{circle}"
        );
    }

    #[test]
    fn tests_do_not_count() {
        assert_eq!(
            found(
                "mod a { #[cfg(test)] mod tests { use crate::b; } #[cfg(test)] fn f() { crate::b::g() } }
                 mod b { use crate::a; /* use crate::c; */ const T: &str = \"crate::c\"; } mod c { use crate::b; }"
            ),
            None
        );
    }

    #[test]
    fn captures_are_no_imports() {
        let text = "mod a { fn f<'a>() -> impl Sized + use<'a> { crate::b::g() } } mod b { }";
        assert_eq!(found(text), None);
    }

    #[test]
    fn an_import_in_a_function_counts() {
        let text = "mod a { fn f() { use crate::b; } } mod b { fn f() { g(super::a::C) } }";
        assert!(found(text).is_some());
    }
}
