//! Where published sets are downloaded from, and what each file has to be.
//!
//! Addresses are those of torchvision 0.29 and TensorFlow Datasets, SHA-256 and sizes those of TensorFlow Datasets
//! (`url_checksums`), MD5 those of torchvision.

/// A set that can be downloaded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Download {
    /// Addresses of directories with the files, all alike, the encrypted ones first.
    pub mirrors: &'static [&'static str],
    /// What is transferred, for people.
    pub size: &'static str,
    /// Empty where these are the set's own files, each gzipped.
    pub parcels: &'static [Parcel],
    /// Where the set lies in that of another name.
    pub directory: Option<&'static str>,
}

/// A file as it is downloaded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parcel {
    pub name: &'static str,
    pub size: Size,
    pub digest: Digest,
    /// The files of a zip archive that are kept, by their paths in it; empty where the file itself is.
    pub members: &'static [&'static str],
}

/// **Units** bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Size {
    /// Of the file.
    Sent(u64),
    /// Of what a gzip file holds.
    Content(u64),
}

/// What is published of a file, in hexadecimal.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Digest {
    Sha256(&'static str),
    Md5(&'static str),
}

/// A file with a published SHA-256.
const fn file(name: &'static str, bytes: u64, sha256: &'static str) -> Parcel {
    Parcel {
        name,
        size: Size::Sent(bytes),
        digest: Digest::Sha256(sha256),
        members: &[],
    }
}

/// A gzip file of which only the MD5 is published; the size of its content follows from its shape.
const fn old(name: &'static str, content: u64, md5: &'static str) -> Parcel {
    Parcel {
        name,
        size: Size::Content(content),
        digest: Digest::Md5(md5),
        members: &[],
    }
}

pub(super) const FASHION_MNIST: Download = Download {
    mirrors: &[
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ],
    size: "30 MB",
    parcels: &[],
    directory: None,
};

pub(super) const MNIST: Download = Download {
    mirrors: &[
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ],
    size: "12 MB",
    parcels: &[
        file(
            "train-images-idx3-ubyte.gz",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        file(
            "train-labels-idx1-ubyte.gz",
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        file(
            "t10k-images-idx3-ubyte.gz",
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        file(
            "t10k-labels-idx1-ubyte.gz",
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ],
    ..FASHION_MNIST
};

pub(super) const KMNIST: Download = Download {
    mirrors: &["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"],
    size: "21 MB",
    parcels: &[
        file(
            "train-images-idx3-ubyte.gz",
            18_165_135,
            "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        ),
        file(
            "train-labels-idx1-ubyte.gz",
            29_497,
            "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        ),
        file(
            "t10k-images-idx3-ubyte.gz",
            3_041_136,
            "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        ),
        file(
            "t10k-labels-idx1-ubyte.gz",
            5_120,
            "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
        ),
    ],
    ..FASHION_MNIST
};

/// **Units** bytes of 60,000 images, and of as many labels of eight 32-bit integers, as IDX files.
const QMNIST_IMAGES: u64 = 16 + 60_000 * 28 * 28;
const QMNIST_LABELS: u64 = 12 + 60_000 * 8 * 4;

pub(super) const QMNIST: Download = Download {
    mirrors: &["https://raw.githubusercontent.com/facebookresearch/qmnist/master/"],
    size: "20 MB",
    parcels: &[
        old(
            "qmnist-train-images-idx3-ubyte.gz",
            QMNIST_IMAGES,
            "ed72d4157d28c017586c42bc6afe6370",
        ),
        old(
            "qmnist-train-labels-idx2-int.gz",
            QMNIST_LABELS,
            "0058f8dd561b90ffdd0f734c6a30e5e4",
        ),
        old(
            "qmnist-test-images-idx3-ubyte.gz",
            QMNIST_IMAGES,
            "1394631089c404de565df7b7aeaf9412",
        ),
        old(
            "qmnist-test-labels-idx2-int.gz",
            QMNIST_LABELS,
            "5b5b05890a5e13444e108efe57b788aa",
        ),
    ],
    ..FASHION_MNIST
};

/// All of EMNIST is one archive; the files of one of its sets are kept.
macro_rules! emnist {
    ($set:literal) => {
        Download {
            mirrors: &[
                "https://biometrics.nist.gov/cs_links/EMNIST/",
                "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/",
            ],
            size: "562 MB",
            parcels: &[Parcel {
                members: &[
                    concat!("gzip/emnist-", $set, "-train-images-idx3-ubyte.gz"),
                    concat!("gzip/emnist-", $set, "-train-labels-idx1-ubyte.gz"),
                    concat!("gzip/emnist-", $set, "-test-images-idx3-ubyte.gz"),
                    concat!("gzip/emnist-", $set, "-test-labels-idx1-ubyte.gz"),
                ],
                ..file(
                    "gzip.zip",
                    561_753_746,
                    "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e",
                )
            }],
            ..FASHION_MNIST
        }
    };
}

pub(super) const EMNIST_DIGITS: Download = emnist!("digits");
pub(super) const EMNIST_MNIST: Download = emnist!("mnist");
pub(super) const EMNIST_LETTERS: Download = emnist!("letters");
pub(super) const EMNIST_BALANCED: Download = emnist!("balanced");
pub(super) const EMNIST_BYMERGE: Download = emnist!("bymerge");
pub(super) const EMNIST_BYCLASS: Download = emnist!("byclass");

pub(super) const CIFAR_10: Download = Download {
    mirrors: &["https://www.cs.toronto.edu/~kriz/"],
    size: "170 MB",
    parcels: &[file(
        "cifar-10-binary.tar.gz",
        170_052_171,
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    )],
    ..FASHION_MNIST
};

pub(super) const CIFAR_100: Download = Download {
    size: "169 MB",
    parcels: &[file(
        "cifar-100-binary.tar.gz",
        168_513_733,
        "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    )],
    directory: Some("cifar100"),
    ..CIFAR_10
};
