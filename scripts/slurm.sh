#!/usr/bin/env bash
# A SLURM of one node with four cores and four GPUs that are none, for the tests of sweeps on a cluster. As root:
#
#     scripts/slurm.sh up DIR      brings it up with its files in DIR; its settings are then DIR/slurm.conf
#     scripts/slurm.sh down DIR    ends it, with its jobs
#
# Needs slurmctld, slurmd and munged (`apt-get install slurm-wlm munge`); exits with 3 where it cannot be.
set -euo pipefail

cannot() { echo "$1" >&2; exit 3; }

up() {
    local dir="$1" host
    host="$(hostname -s)"
    [ "$(id -u)" = 0 ] || cannot "not root"
    for program in slurmctld slurmd munged sbatch; do
        command -v "$program" >/dev/null || cannot "$program is not installed"
    done
    mkdir -p "$dir"/{state,spool,log,munge}
    # munged refuses a key or a log that others could have written, up to the root of the file system.
    local munge
    munge="$(mktemp -d /run/fmtui-munge.XXXXXX)"
    echo "$munge" >"$dir/munge.dir"
    dd if=/dev/urandom of="$munge/key" bs=128 count=1 status=none
    chown -R munge: "$munge"
    chmod 711 "$munge"
    chmod 400 "$munge/key"
    runuser -u munge -- munged --key-file="$munge/key" --socket="$munge/socket" --pid-file="$munge/pid" \
        --log-file="$munge/log" --seed-file="$munge/seed" || cannot "munged does not start"
    cat >"$dir/gres.conf" <<EOF
NodeName=$host Name=gpu File=/dev/null
NodeName=$host Name=gpu File=/dev/zero
NodeName=$host Name=gpu File=/dev/full
NodeName=$host Name=gpu File=/dev/random
EOF
    cat >"$dir/slurm.conf" <<EOF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$munge/socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
SlurmdParameters=config_overrides
ReturnToService=2
SlurmctldPort=17817
SlurmdPort=17818
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/log/slurmctld
SlurmdLogFile=$dir/log/slurmd
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
JobAcctGatherType=jobacct_gather/none
MailProg=/bin/true
SwitchType=switch/none
MpiDefault=none
KillWait=5
MinJobAge=3600
JobRequeue=1
GresTypes=gpu
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 Boards=1 SocketsPerBoard=1 CoresPerSocket=4 ThreadsPerCore=1 RealMemory=2000 Gres=gpu:4 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
EOF
    export SLURM_CONF="$dir/slurm.conf"
    slurmctld || cannot "slurmctld does not start"
    slurmd || cannot "slurmd does not start"
    for _ in $(seq 100); do
        [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ] && return
        sleep 0.1
    done
    cannot "the node does not come up: $(tail -n 3 "$dir"/log/* 2>/dev/null)"
}

down() {
    local dir="$1" munge
    export SLURM_CONF="$dir/slurm.conf"
    timeout 10 scancel --state=PENDING --user=root 2>/dev/null || true
    timeout 10 scancel --signal=KILL --full --user=root 2>/dev/null || true
    munge="$(cat "$dir/munge.dir" 2>/dev/null || true)"
    for pid in "$dir"/slurmd.pid "$dir"/slurmctld.pid ${munge:+"$munge/pid"}; do
        [ -s "$pid" ] && kill "$(cat "$pid")" 2>/dev/null || true
    done
    [ -n "$munge" ] || return 0
    # It writes its seed when it ends.
    for _ in $(seq 50); do
        [ -e "$munge/pid" ] || break
        sleep 0.1
    done
    rm -rf "$munge"
}

case "${1:-}" in
    up) up "$2" ;;
    down) down "$2" ;;
    *) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
