//! A place for the folders of peers that one run of the suite starts, and whether all of them have left it. Servers are known
//! by it alone: other tests have peers of their own at the same time.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where, and fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The place; a run is told of it by `TMPDIR`.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn make() -> Self {
        let place = tempfile::tempdir().unwrap();
        // Mail servers go through it as users of their own.
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self(place)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fails where a process still has the place in its arguments or its environment, or a folder is there.
    #[track_caller]
    pub(crate) fn assert_left(&self) {
        let until = Instant::now() + Duration::from_secs(2);
        loop {
            let stayed = self.stayed();
            if stayed.is_empty() {
                break;
            }
            assert!(Instant::now() < until, "left behind: {stayed:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
        let folders: Vec<_> = fs::read_dir(self.path()).unwrap().collect();
        assert!(folders.is_empty(), "{folders:?}");
    }

    fn stayed(&self) -> Vec<String> {
        let place = self.path().to_str().unwrap();
        let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
        // Those that end meanwhile have nothing to read; of those that have ended and wait for their parent it is empty.
        let read = |path: &Path, name| {
            String::from_utf8_lossy(&fs::read(path.join(name)).unwrap_or_default()).into_owned()
        };
        processes
            .map(|path| (read(&path, "cmdline"), read(&path, "environ")))
            .filter(|(arguments, environment)| arguments.contains(place) || environment.contains(place))
            .map(|(arguments, _)| arguments.replace('\0', " "))
            .collect()
    }
}
