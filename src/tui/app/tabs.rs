//! The tabs themselves, one of each.

use crate::tui::tab::Tab;
use crate::tui::tab_id::{TabId, tabs};
use crate::tui::tabs::{confusion, data, metrics, model, runs, sweep, train};

macro_rules! hold {
    ($($id:ident $key:literal $file:ident::$tab:ident,)*) => {
        #[derive(Default)]
        pub(crate) struct Tabs {
            $(pub(crate) $file: $file::$tab,)*
        }

        impl Tabs {
            pub(crate) fn get(&self, tab: TabId) -> &dyn Tab {
                match tab { $(TabId::$id => &self.$file,)* }
            }

            pub(crate) fn get_mut(&mut self, tab: TabId) -> &mut dyn Tab {
                match tab { $(TabId::$id => &mut self.$file,)* }
            }
        }
    };
}

tabs!(hold);
