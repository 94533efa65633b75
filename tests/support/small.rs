//! A small residual network on a few of the built-in pictures, for an epoch: a second's work.

pub const RECIPE: &str = r#"
format = 1
name = "small"
[data]
name = "fashion-mnist-mini"
per_class = 10
validation = 0
channels = 3
[model]
architecture = "resnet20"
[train]
epochs = 1
batch_size = 20
threads = 2
"#;
