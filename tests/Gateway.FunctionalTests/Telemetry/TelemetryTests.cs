using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using Gateway.FunctionalTests.FrontDoor;
using Xunit;

namespace Gateway.FunctionalTests.Telemetry;

/// <summary>Metrics, traces and the state of the process. Deployments have names of their own, because meters are shared by all gateways of a process.</summary>
public sealed class TelemetryTests : IAsyncLifetime
{
    private const string Parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    private readonly string _model = $"model-{Guid.NewGuid():N}";
    private GatewayUnderTest _gateway = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _gateway = await GatewayUnderTest.StartAsync(with: options => options with { Name = _model });

    public ValueTask DisposeAsync() => _gateway.DisposeAsync();

    [Fact]
    public async Task The_front_door_counts_replies_tokens_and_errors_under_its_own_names()
    {
        for (var i = 0; i < 3; i++)
        {
            using var whole = await _gateway.ChatAsync(_model);
            await GatewayUnderTest.ReadAsync(whole);
        }

        using var stream = await _gateway.ChatAsync(_model, ""","stream":true,"user":"a-secret-user" """);
        await GatewayUnderTest.EventsAsync(stream);
        using var missing = await _gateway.ChatAsync("no-such-model");
        Assert.Equal("model_not_found", await GatewayUnderTest.ErrorCodeAsync(missing, 404));

        var text = await _gateway.Client.GetStringAsync("/metrics", Token);
        Assert.Equal(4, Value(text, $"gateway_replies_total{{model=\"{_model}\",arm=\"stable\",end=\"stop\"}}"));
        Assert.Equal(4, Value(text, $"gateway_reply_duration_seconds_count{{model=\"{_model}\"}}"));
        Assert.Equal(1, Value(text, $"gateway_reply_first_token_seconds_count{{model=\"{_model}\"}}"));
        Assert.Equal(4, Value(text, $"gateway_reply_before_worker_seconds_bucket{{model=\"{_model}\",le=\"+Inf\"}}"));
        Assert.Equal(28, Value(text, $"gateway_tokens_total{{model=\"{_model}\",direction=\"input\"}}"));
        Assert.Equal(8, Value(text, $"gateway_tokens_total{{model=\"{_model}\",direction=\"output\"}}"));
        Assert.True(Value(text, "gateway_requests_total{route=\"/v1/chat/completions\",status=\"2xx\"}") >= 4);
        Assert.True(Value(text, "gateway_errors_total{fault=\"caller_not_found\",code=\"model_not_found\"}") >= 1);
        Assert.Equal(1, Value(text, $"gateway_worker_up{{worker=\"{_gateway.Worker.Address.Authority}\"}}"));
        Assert.Equal(1, Value(text, "gateway_records_writable"));
        Assert.DoesNotContain("a-secret-user", text, StringComparison.Ordinal);
        Assert.DoesNotContain("no-such-model", text, StringComparison.Ordinal);
        AssertWellFormed(text);
    }

    [Fact]
    public async Task Traces_and_metrics_have_the_conventions_names_and_the_worker_gets_the_context()
    {
        var measured = new ConcurrentDictionary<string, double>(StringComparer.Ordinal);
        using var meters = new MeterListener();
        meters.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name.StartsWith("gen_ai.", StringComparison.Ordinal))
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        meters.SetMeasurementEventCallback<double>((instrument, value, tags, _) =>
        {
            var all = tags.ToArray().ToDictionary(tag => tag.Key, tag => tag.Value, StringComparer.Ordinal);
            if (Equals(all["gen_ai.request.model"], _model))
            {
                measured[$"{instrument.Name} {all.GetValueOrDefault("gen_ai.token.type")}".TrimEnd()] = value;
            }
        });
        meters.Start();

        var spans = new ConcurrentQueue<Activity>();
        using (var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "Gateway.GenAi",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = spans.Enqueue,
        })
        {
            ActivitySource.AddActivityListener(listener);
            using var response = await _gateway.ChatAsync(_model, ""","stream":true,"temperature":0.5,"max_tokens":9""");
            await GatewayUnderTest.EventsAsync(response);
            await _gateway.SingleInteractionAsync();
            while (!spans.Any(span => span.DisplayName == $"chat {_model}"))
            {
                await Task.Delay(5, Token);
            }
        }

        var span = spans.Single(span => span.DisplayName == $"chat {_model}");
        Assert.Equal(ActivityKind.Client, span.Kind);
        Assert.Equal(
            ("chat", _model, 9, 0.5, 7, 2),
            (Tag<string>(span, "gen_ai.operation.name"), Tag<string>(span, "gen_ai.request.model"), Tag<int>(span, "gen_ai.request.max_tokens"),
                Tag<double>(span, "gen_ai.request.temperature"), Tag<int>(span, "gen_ai.usage.input_tokens"), Tag<int>(span, "gen_ai.usage.output_tokens")));
        Assert.DoesNotContain(span.TagObjects, tag => tag.Value is string text && (text == "Hi" || text == "Hello"));
        Assert.Equal(span.Id, _gateway.Worker.TraceParent);

        Assert.Equal((7.0, 2.0), (measured["gen_ai.client.token.usage input"], measured["gen_ai.client.token.usage output"]));
        Assert.Superset(
            new HashSet<string>(StringComparer.Ordinal) { "gen_ai.client.operation.duration", "gen_ai.server.request.duration", "gen_ai.server.time_to_first_token", "gen_ai.server.time_per_output_token" },
            measured.Keys.ToHashSet(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Where_nobody_traces_the_callers_context_goes_on_to_the_worker()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions");
        request.Headers.Add("traceparent", Parent);
        request.Content = new StringContent($$"""{"model":"{{_model}}","messages":[{"role":"user","content":"Hi"}]}""", System.Text.Encoding.UTF8, "application/json");
        using var response = await _gateway.Client.SendAsync(request, Token);
        await GatewayUnderTest.ReadAsync(response);
        Assert.Contains("4bf92f3577b34da6a3ce929d0e0e4736", _gateway.Worker.TraceParent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Readiness_names_what_is_wrong_and_workers_are_listed()
    {
        var ready = await _gateway.GetAsync("/health/ready");
        Assert.Equal("ready", ready.GetProperty("status").GetString());
        Assert.Empty(ready.GetProperty("reasons").EnumerateArray());
        var worker = Assert.Single((await _gateway.GetAsync("/health/workers")).GetProperty("data").EnumerateArray());
        Assert.Equal("up", worker.GetProperty("state").GetString());
        Assert.Equal("fake-base", worker.GetProperty("base_model").GetString());

        await _gateway.Worker.DisposeAsync();
        using var chat = await _gateway.ChatAsync(_model);
        Assert.NotEqual(200, (int)chat.StatusCode);
        using var notReady = await _gateway.Client.GetAsync("/health/ready", Token);
        Assert.Equal(503, (int)notReady.StatusCode);
        Assert.Contains("does not answer its health check", await notReady.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal("ok", await _gateway.Client.GetStringAsync("/health/live", Token));
    }

    private static T Tag<T>(Activity span, string name) => Assert.IsType<T>(span.GetTagItem(name));

    private static double Value(string text, string series) =>
        double.Parse(text.Split('\n').Single(line => line.StartsWith(series + " ", StringComparison.Ordinal))[(series.Length + 1)..], CultureInfo.InvariantCulture);

    /// <summary>Every sample belongs to a family that was declared once, and buckets rise.</summary>
    internal static void AssertWellFormed(string text)
    {
        var families = new HashSet<string>(StringComparer.Ordinal);
        var last = ("", 0.0);
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.StartsWith("# TYPE ", StringComparison.Ordinal))
            {
                Assert.True(families.Add(line.Split(' ')[2]), line);
            }
            else if (!line.StartsWith('#'))
            {
                var name = line[..line.IndexOfAny(['{', ' '])];
                Assert.True(families.Contains(name) || families.Any(family => name.StartsWith(family + "_", StringComparison.Ordinal)), line);
                var value = double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture);
                var series = line.Contains("le=\"", StringComparison.Ordinal) ? line[..line.IndexOf("le=\"", StringComparison.Ordinal)] : line;
                Assert.True(series != last.Item1 || value >= last.Item2, line);
                last = (series, value);
            }
        }
    }
}
