using System.Text.Json.Nodes;
using Gateway.FunctionalTests.FrontDoor;
using Gateway.Hosting;
using Gateway.TestKit;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Gateway.FunctionalTests.Hosting;

public sealed class StartTests
{
    [Fact]
    public async Task A_second_process_on_the_data_folder_is_refused()
    {
        await using var gateway = await GatewayUnderTest.StartAsync();
        var refusal = await RefusalAsync(new ServeOptions { Data = gateway.DataFolder, Model = gateway.Model.Path });
        Assert.Contains("in use by process", refusal, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_in_use_is_refused()
    {
        await using var gateway = await GatewayUnderTest.StartAsync();
        using var data = TestData.CreateFolder();
        var refusal = await RefusalAsync(new ServeOptions
        {
            Data = data.Path,
            Model = gateway.Model.Path,
            Workers = [gateway.Worker.Address],
            Url = gateway.Host.Address.AbsoluteUri.TrimEnd('/'),
        });
        Assert.Contains("pass --urls", refusal, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_missing_model_is_refused(bool withExternalWorkers)
    {
        using var data = TestData.CreateFolder();
        var refusal = await RefusalAsync(new ServeOptions
        {
            Data = data.Path,
            Model = Path.Combine(data.Path, "nothing"),
            Workers = withExternalWorkers ? [new Uri("http://127.0.0.1:1")] : [],
        });
        Assert.Contains("nothing", refusal, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_checkpoint_with_missing_tensors_is_refused_by_name()
    {
        using var data = TestData.CreateFolder();
        using var model = new TinyModel();
        var config = Path.Combine(model.Path, "config.json");
        var settings = JsonNode.Parse(await File.ReadAllTextAsync(config, TestContext.Current.CancellationToken))!;
        var layers = (int)settings["num_hidden_layers"]!;
        settings["num_hidden_layers"] = layers + 1;
        await File.WriteAllTextAsync(config, settings.ToJsonString(), TestContext.Current.CancellationToken);
        var refusal = await RefusalAsync(new ServeOptions { Data = data.Path, Model = model.Path });
        Assert.Contains($"'model.layers.{layers}.", refusal, StringComparison.Ordinal);
        Assert.Contains("is missing", refusal, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_data_folder_that_is_a_file_is_refused()
    {
        using var data = TestData.CreateFolder();
        var file = Path.Combine(data.Path, "file");
        await File.WriteAllTextAsync(file, "", TestContext.Current.CancellationToken);
        var refusal = await RefusalAsync(new ServeOptions { Data = file });
        Assert.Contains("--data", refusal, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Data_of_another_base_model_are_refused()
    {
        await using var gateway = await GatewayUnderTest.StartAsync();
        await gateway.Host.DisposeAsync();
        using var other = new TinyModel(seed: 2);
        var refusal = await RefusalAsync(new ServeOptions
        {
            Data = gateway.DataFolder,
            Model = other.Path,
            Workers = [gateway.Worker.Address],
            Url = "http://127.0.0.1:0",
        });
        Assert.Contains("another base model", refusal, StringComparison.Ordinal);
        await gateway.RestartAsync();
    }

    /// <summary>The refusal, which must be one sentence without a stack trace.</summary>
    private static async Task<string> RefusalAsync(ServeOptions options)
    {
        var refusal = await Assert.ThrowsAsync<StartRefusedException>(() =>
            GatewayHost.StartAsync(options, builder => builder.Logging.ClearProviders(), TestContext.Current.CancellationToken));
        Assert.DoesNotContain('\n', refusal.Message);
        return refusal.Message;
    }
}
