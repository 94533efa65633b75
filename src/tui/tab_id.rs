//! The list of the tabs: which there are, in which order, what they are called and which key turns to each.

/// The tabs from left to right, a line each: variant and title, key, file and type. `tabs!(USER)` hands the lines to
/// the macro USER.
macro_rules! tabs {
    ($user:ident) => {
        $user! {
            Data "1" data::DataTab,
            Model "2" model::ModelTab,
            Train "3" train::TrainTab,
            Metrics "4" metrics::MetricsTab,
            Confusion "5" confusion::ConfusionTab,
            Runs "6" runs::RunsTab,
            Sweep "7" sweep::SweepTab,
        }
    };
}

macro_rules! define {
    ($($id:ident $key:literal $file:ident::$tab:ident,)*) => {
        /// A tab.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum TabId {
            $($id,)*
        }

        impl TabId {
            /// Every tab, from left to right.
            pub(crate) const ALL: &[Self] = &[$(Self::$id,)*];

            /// What stands in the header.
            #[must_use]
            pub(crate) const fn title(self) -> &'static str {
                match self { $(Self::$id => stringify!($id),)* }
            }

            /// The key that turns to it, unless the user has chosen another.
            #[must_use]
            pub(crate) const fn key(self) -> &'static str {
                match self { $(Self::$id => $key,)* }
            }

            /// The name of that key in the user's configuration.
            #[must_use]
            pub(crate) const fn key_name(self) -> &'static str {
                match self { $(Self::$id => concat!("tab-", stringify!($file)),)* }
            }
        }
    };
}

tabs!(define);
pub(super) use tabs;

impl TabId {
    /// The tab to the right; after the last the first.
    #[must_use]
    pub(crate) fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % Self::ALL.len()]
    }

    /// The tab to the left; before the first the last.
    #[must_use]
    pub(crate) fn previous(self) -> Self {
        Self::ALL[(self as usize + Self::ALL.len() - 1) % Self::ALL.len()]
    }
}
