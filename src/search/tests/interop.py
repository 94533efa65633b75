"""What Optuna does with a journal: called by the tests of src/search/interop.rs as `python interop.py COMMAND JOURNAL …`."""
import json
import math
import sys
import warnings
from wsgiref.util import setup_testing_defaults

warnings.filterwarnings("ignore")
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

optuna.logging.set_verbosity(optuna.logging.ERROR)
command, path = sys.argv[1:3]
storage = JournalStorage(JournalFileBackend(path))
study = optuna.load_study(study_name="s", storage=storage)


def plain(value):
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def objective(trial):
    optimizer = trial.suggest_categorical("optimizer", ["sgd", "adam"])
    rate = trial.suggest_float("rate", 1e-5, 1.0, log=True)
    loss = (math.log10(rate) + 2) ** 2 + trial.suggest_int("layers", 1, 5)
    if optimizer == "sgd":
        loss += trial.suggest_float("momentum", 0.0, 0.95, step=0.05)
    for step in range(3):
        trial.report(loss + 1 / (step + 1), step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return loss


if command == "tell":
    print(json.dumps(dict(
        directions=[d.name for d in study.directions],
        user=study.user_attrs,
        metrics=study.metric_names,
        trials=[
            dict(
                number=t.number,
                state=t.state.name,
                values=t.values and [plain(v) for v in t.values],
                params=t.params,
                reports=[[step, plain(v)] for step, v in sorted(t.intermediate_values.items())],
                user=t.user_attrs,
                system=t.system_attrs,
                started=t.datetime_start.timestamp(),
                ended=t.datetime_complete and t.datetime_complete.timestamp(),
            )
            for t in study.trials
        ],
    )))
elif command == "optimize":
    sampler = optuna.samplers.TPESampler(seed=int(sys.argv[4]))
    study = optuna.load_study(study_name="s", storage=storage, sampler=sampler, pruner=optuna.pruners.NopPruner())
    study.optimize(objective, n_trials=int(sys.argv[3]))
elif command == "enqueue":
    study.enqueue_trial({"rate": 0.5, "optimizer": "adam"})
elif command == "analyse":
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    importance = optuna.importance.get_param_importances(study, evaluator=evaluator)
    print(json.dumps(dict(best=study.best_trial.number, params=sorted(importance))))
elif command == "dashboard":
    from optuna_dashboard import wsgi

    app = wsgi(storage)
    for page in ("/api/studies", "/api/studies/0?after=0"):
        environ = {}
        setup_testing_defaults(environ)
        environ["PATH_INFO"], _, environ["QUERY_STRING"] = page.partition("?")
        environ["CONTENT_TYPE"] = "application/json"
        status = []
        body = b"".join(app(environ, lambda code, headers, *rest: status.append(code)))
        print(json.dumps(dict(status=status[0], body=json.loads(body))))
