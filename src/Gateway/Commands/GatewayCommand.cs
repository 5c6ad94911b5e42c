using System.CommandLine;

namespace Gateway.Commands;

/// <summary>The one executable and its commands; a new command is one file and one line here.</summary>
internal static class GatewayCommand
{
    /// <summary>The root command, which serves when no command is named.</summary>
    public static RootCommand Create()
    {
        var root = new RootCommand(
            """
            Serves a language model with adapters that it learns from feedback, behind an OpenAI-compatible API.

            Without a command it serves the starter model on http://127.0.0.1:8080.
            """)
        {
            ServeCommand.Create(),
            WorkerCommand.Create(),
            KeysCommand.Create(),
            TrainCommand.Create(),
            PretrainCommand.Create(),
            DemoCommand.Create(),
            TokenizeCommand.Create(),
            RenderCommand.Create(),
            ScoreCommand.Create(),
            BenchCommand.Create(),
        };
        ServeCommand.AddOptionsTo(root);
        return root;
    }
}
