using Gateway.Api;
using Gateway.Domain.Storage;
using Gateway.FrontDoor;
using Gateway.Model.Weights;
using Gateway.Security;
using Gateway.Storage;
using Gateway.Telemetry;
using Gateway.Worker;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace Gateway.Hosting;

/// <summary>
/// A whole gateway in this process: store, worker (unless external ones are named), front door and background services.
/// Disposing it drains requests and then closes everything in reverse order.
/// </summary>
public sealed class GatewayHost : IAsyncDisposable
{
    private readonly GatewayStore _store;
    private readonly BuiltInWorker? _worker;

    private GatewayHost(WebApplication app, GatewayStore store, BuiltInWorker? worker, BaseModel model, Uri address)
    {
        (App, _store, _worker, Model, Address) = (app, store, worker, model, address);
    }

    /// <summary>The front door.</summary>
    public WebApplication App { get; }

    /// <summary>The base model that is served.</summary>
    public BaseModel Model { get; }

    /// <summary>Where clients connect.</summary>
    public Uri Address { get; }

    /// <summary>Where the records are.</summary>
    public string StoreDescription => _store.Description;

    /// <summary>
    /// Starts in this order: 1 the store, which also proves that no other process uses the data folder; 2 the worker;
    /// 3 the front door's parts; 4 what a first start must create; 5 the listener. Requests are answered when the task completes.
    /// </summary>
    /// <param name="options">What to serve and where.</param>
    /// <param name="configure">Adds or replaces services, for the demo and tests; null adds none.</param>
    /// <param name="cancellationToken">Ends the start.</param>
    /// <exception cref="StartRefusedException">It cannot start; the message says what to do.</exception>
    public static async Task<GatewayHost> StartAsync(ServeOptions options, Action<WebApplicationBuilder>? configure, CancellationToken cancellationToken)
    {
        var clock = TimeProvider.System;
        var builder = Listening.CreateBuilder();
        Listening.Configure(builder, options.Url, options.Requests, options.Routing.DrainDelay + options.Routing.DrainLimit);
        builder.Logging
            .AddFilter("Microsoft.AspNetCore", LogLevel.Warning)
            .AddFilter("Yarp", LogLevel.Warning)
            .AddFilter("Microsoft.Hosting", LogLevel.Warning)

            // It writes nothing at this level, but would make a log scope and a span for every request; spans are made when somebody listens.
            .AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", OtlpExport.IsConfigured ? LogLevel.Warning : LogLevel.None)

            // A port that is taken is told in one sentence; what stops the host later is Critical.
            .AddFilter("Microsoft.Extensions.Hosting", LogLevel.Critical);
        configure?.Invoke(builder);
        using var loggers = LoggerFactory.Create(logging => Listening.UseLogFormat(logging.AddConsole().SetMinimumLevel(LogLevel.Warning), builder.Configuration));

        GatewayStore? store = null;
        BuiltInWorker? worker = null;
        WebApplication? app = null;
        try
        {
            // 1 Store.
            if (options.OperatorKey?.Length < ServeOptions.MinimumOperatorKeyLength)
            {
                throw new StartRefusedException($"GATEWAY_OPERATOR_KEY is shorter than {ServeOptions.MinimumOperatorKeyLength} characters: make a long random one, for example with 'openssl rand -base64 32'");
            }

            store = await GatewayStore.OpenAsync(options, clock, loggers);
            new DataFolder(options.Data).Sweep(clock.GetUtcNow());

            // 2 Worker.
            worker = options.Workers.Count > 0 ? null : await BuiltInWorker.StartAsync(
                new WorkerOptions
                {
                    ModelDirectory = options.Model,
                    ModelName = options.Name,
                    Weights = options.Weights,
                    WeightCache = new DataFolder(options.Data).Cache,
                    AdapterCache = new DataFolder(options.Data).AdapterCache,
                    Threads = options.Threads,
                    AdapterBytes = options.AdapterBytes,
                },
                url: null, clock, cancellationToken);
            var model = worker is null
                ? ReadModel(options)
                : new BaseModel(options.Name, worker.Runtime.Fingerprint, worker.Runtime.Options.Weights.Name(), worker.Runtime.Config);
            IReadOnlyList<WorkerState> workers = worker is null
                ? [.. options.Workers.Select(uri => new WorkerState(uri.Authority, uri) { AdapterRoot = options.WorkerAdapters })]
                : [new WorkerState("built-in", worker.Address)];

            // 3 Front door, which opens to a network only for callers with keys.
            var secret = await InstallationSecret.ReadOrCreateAsync(store.Documents, cancellationToken);
            builder.Services.AddGateway(options, store, model, workers, new ResponseIdSigner(secret), clock);
            builder.Services.AddSingleton(worker is null ? PromptPreview.Of(options.Model, clock) : PromptPreview.Of(worker.Runtime));
            app = builder.Build();
            _ = app.Services.GetRequiredService<MetricCollector>();
            MapRoutes(app);
            await app.Services.GetRequiredService<KeyRing>().RefreshAsync(cancellationToken);
            if (!app.Services.GetRequiredService<KeyRing>().Current.Required && !Listening.IsLocal(options.Url))
            {
                throw new StartRefusedException(
                    $"{options.Url} is reachable from other machines and there are no keys yet: run 'gateway keys create' with the same --data or --redis, which prints an operator key, or set GATEWAY_OPERATOR_KEY to a secret of {ServeOptions.MinimumOperatorKeyLength} characters or more, or listen on 127.0.0.1");
            }


            // 4 First start, with workers that are up already getting what they must have.
            await app.Services.GetRequiredService<RoutingState>().RefreshAsync(cancellationToken);
            await app.Services.GetRequiredService<WorkerRegistry>().RefreshAsync(cancellationToken);
            await app.Services.GetRequiredService<WorkerHealthMonitor>().ProbeAllAsync(cancellationToken);
            await BaseDeployment.EnsureAsync(
                model, app.Services.GetRequiredService<RoutingState>(), app.Services.GetRequiredService<ReleaseBuilder>(),
                app.Services.GetRequiredService<TrafficSwitch>(), cancellationToken);
            await app.Services.GetRequiredService<WorkerAdapters>().EnsureAsync(app.Services.GetRequiredService<RoutingState>().Current, cancellationToken);

            // 5 Listener.
            await Listening.StartAsync(app, options.Url, cancellationToken);
            var address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
            return new(app, store, worker, model, new Uri(address));
        }
        catch
        {
            await DisposeAsync(app, worker, store);
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await App.StopAsync();
        await DisposeAsync(App, _worker, _store);
    }

    private static async ValueTask DisposeAsync(WebApplication? app, BuiltInWorker? worker, GatewayStore? store)
    {
        await (app?.DisposeAsync() ?? ValueTask.CompletedTask);
        await (worker?.DisposeAsync() ?? ValueTask.CompletedTask);
        await (store?.DisposeAsync() ?? ValueTask.CompletedTask);
    }

    private static BaseModel ReadModel(ServeOptions options)
    {
        try
        {
            return BaseModel.Read(options.Name, options.Model, options.Weights);
        }
        catch (Exception failure) when (failure is ModelFormatException or IOException or UnauthorizedAccessException)
        {
            throw new StartRefusedException($"the model in {options.Model} cannot be read: {failure.Message}", failure);
        }
    }

    private static void MapRoutes(WebApplication app)
    {
        app.UseMiddleware<RequestMeter>();
        app.UseMiddleware<ErrorEnvelope>();
        app.UseRouting();
        app.UseMiddleware<KeyGate>();
        var routes = app.MapGroup("");
        RouteAccess.ApplyTo(routes);
        routes.MapPost("/v1/chat/completions", (HttpContext context, ChatRoad road) => road.HandleAsync(context));
        routes.MapPost("/v1/completions", (HttpContext context, ChatRoad road) => road.HandleCompletionAsync(context));
        routes.MapPost("/v1/embeddings", Task<IResult> (HttpContext context, EmbeddingsRoad road) => road.HandleAsync(context));
        routes.MapResponses();
        routes.MapStoredCompletions();
        routes.MapModels();
        routes.MapContracts();
        routes.MapContractLabels();
        routes.MapContractRendering();
        routes.MapAdapters();
        routes.MapAdapterFiles();
        routes.MapLora();
        routes.MapWorkers();
        routes.MapReleases();
        routes.MapDeployments();
        routes.MapRollouts();
        routes.MapJobs();
        routes.MapAudit();
        routes.MapInteractions();
        routes.MapFeedback();
        routes.MapHealth();
        routes.MapKeys();
        routes.MapMetrics();
    }
}
