use std::fmt;

/// Counts of what a listing left alone in folders and archives.
///
/// ```
/// use glm4v_collect::Ignored;
///
/// let ignored = Ignored { not_media: 12, hidden: 1, ..Ignored::default() };
/// assert_eq!(ignored.total(), 13);
/// assert_eq!(ignored.to_string(), "12 not images or videos, 1 hidden");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    /// Files that are neither images nor videos.
    pub not_media: u64,
    /// Files and folders whose name starts with a dot.
    pub hidden: u64,
    /// Subfolders, if the listing is not recursive.
    pub folders: u64,
    /// Archives and compressed files. A tar archive is read if it is named, or matches a pattern.
    pub archives: u64,
    /// Links without a target.
    pub links: u64,
    /// Links in archives. Their targets are read where they are in the archive.
    pub archive_links: u64,
    /// Links to a folder that the link is in.
    pub loops: u64,
    /// Pipes, sockets and devices.
    pub special: u64,
}

impl Ignored {
    fn counts(&self) -> [(u64, &'static str); 8] {
        [
            (self.not_media, "not images or videos"),
            (self.hidden, "hidden"),
            (self.folders, "subfolders"),
            (self.archives, "archives or compressed files"),
            (self.links, "links without a target"),
            (self.archive_links, "links in archives"),
            (self.loops, "links to a parent folder"),
            (self.special, "pipes, sockets or devices"),
        ]
    }

    /// The sum of all counts.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts().iter().map(|(count, _)| count).sum()
    }
}

/// The counts that are not 0, separated by commas.
impl fmt::Display for Ignored {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.counts().into_iter().filter(|(count, _)| *count > 0);
        let texts: Vec<_> = found
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        formatter.write_str(&texts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_is_shown_and_added() {
        let ignored = Ignored {
            not_media: 1,
            hidden: 2,
            folders: 3,
            archives: 4,
            links: 5,
            archive_links: 6,
            loops: 7,
            special: 8,
        };
        assert_eq!(ignored.total(), 36);
        assert_eq!(
            ignored.to_string(),
            "1 not images or videos, 2 hidden, 3 subfolders, 4 archives or compressed files, 5 links without a target, \
             6 links in archives, 7 links to a parent folder, 8 pipes, sockets or devices"
        );
        assert_eq!(Ignored::default().to_string(), "");
    }
}
