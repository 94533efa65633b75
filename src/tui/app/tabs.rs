//! The six tabs, by place and by name.

use crate::profile::Profile;
use crate::tui::app::place;
use crate::tui::tab::Tab;
use crate::tui::tabs::confusion::ConfusionTab;
use crate::tui::tabs::data::DataTab;
use crate::tui::tabs::metrics::MetricsTab;
use crate::tui::tabs::model::ModelTab;
use crate::tui::tabs::runs::RunsTab;
use crate::tui::tabs::train::TrainTab;

pub struct Tabs {
    pub data: DataTab,
    pub model: ModelTab,
    pub train: TrainTab,
    pub metrics: MetricsTab,
    pub confusion: ConfusionTab,
    pub runs: RunsTab,
}

impl Tabs {
    pub fn new(first: Option<Profile>) -> Self {
        Self {
            data: DataTab::new(),
            model: ModelTab::new(),
            train: TrainTab::new(first),
            metrics: MetricsTab::new(),
            confusion: ConfusionTab::new(),
            runs: RunsTab::new(),
        }
    }

    pub fn get(&self, at: usize) -> &dyn Tab {
        match at {
            place::DATA => &self.data,
            place::MODEL => &self.model,
            place::TRAIN => &self.train,
            place::METRICS => &self.metrics,
            place::CONFUSION => &self.confusion,
            _ => &self.runs,
        }
    }

    pub fn get_mut(&mut self, at: usize) -> &mut dyn Tab {
        match at {
            place::DATA => &mut self.data,
            place::MODEL => &mut self.model,
            place::TRAIN => &mut self.train,
            place::METRICS => &mut self.metrics,
            place::CONFUSION => &mut self.confusion,
            _ => &mut self.runs,
        }
    }
}
